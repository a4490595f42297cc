"""Section of params.yaml for the task tabular: rows of a table, each with a label."""

from typing import Annotated, Literal

import pydantic
from pydantic import Field

from spline_lstm.core.section import Count, Section, Seed, Share

NEEDS_COLUMN = ("group", "time")


class TabularParams(Section):
    """Task tabular: a label for each row of a table, without timestamps; unused by other tasks."""

    kind: Literal["classification", "regression"] = "classification"
    """classification (the target is a class) | regression (the target is a number)"""
    target: Annotated[str, Field(min_length=1)] = "target"
    """column of the target; the other columns of the schema are features"""
    above: float | None = None
    """classification of a number: the label is whether the target is above this value; null: the
    values of the target are the classes"""
    split: Literal["random", "stratified", "group", "time"] = "stratified"
    """random | stratified (each class in equal shares; for regression each fifth of the target) |
    group (rows with the same value of split_column stay together) | time (earlier rows of
    split_column train, later ones test)"""
    split_column: str | None = None
    """column of the split group or time; not a feature"""
    train: Share = 0.7
    """share of the rows in the training split, 0 to 1"""
    validation: Share = 0.15
    """share of the rows in the validation split, 0 to 1; the rest is for the test"""
    seed: Seed = 0
    """seed of the split, 0 to 4294967295"""
    numbers: Literal["quantile", "standard"] = "quantile"
    """numbers enter by their quantile in training, as z-scores of a normal distribution (quantile),
    or less the mean of training and divided by its standard deviation (standard)"""
    quantiles: Annotated[int, Field(ge=2)] = 256
    """quantile: values of the training split between which it interpolates, at most"""
    min_count: Count = 2
    """fewest training rows of a category of its own; rarer ones share the unknown token, which
    also stands for categories that training does not have"""
    duplicates: Literal["error", "together", "keep"] = "error"
    """rows that are equal in all features and the target, in different splits: error | together
    (all copies of a row come into one split) | keep"""
    constant_columns: Literal["drop", "error"] = "drop"
    """features with one value in the training split: drop (each is named and left out) | error"""
    id_columns: Literal["drop", "keep", "error"] = "drop"
    """features that name the row, with hardly any value twice (texts, or whole numbers that count
    the rows): drop (each is named and left out) | keep | error"""
    missing_target: Literal["drop", "error"] = "drop"
    """rows without a target: drop | error"""
    leakage: Literal["warn", "drop", "error"] = "warn"
    """a feature that determines the target by itself: warn | drop | error"""
    leakage_share: Share = 0.99
    """share of the target's variation that a feature must explain alone, in training rows that it
    did not learn from, to be called one that determines it"""
    importance_repeats: Count = 5
    """permutations of each feature, whose mean loss of accuracy is its importance"""

    @pydantic.model_validator(mode="after")
    def _fits(self) -> "TabularParams":
        if self.train + self.validation >= 1.0:
            raise ValueError("train + validation must be below 1, so that a test split remains")
        if (self.split in NEEDS_COLUMN) != (self.split_column is not None):
            raise ValueError(
                "split_column belongs to split group and time, and only to them; set it, or set it "
                "to null"
            )
        if self.split_column == self.target:
            raise ValueError("split_column and target must be different columns")
        if self.above is not None and self.kind == "regression":
            raise ValueError("above makes classes of a number: set kind classification, or null")
        return self
