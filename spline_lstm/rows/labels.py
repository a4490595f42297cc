"""Labels of rows: the classes of a target, or its numbers."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Num

from spline_lstm.core.errors import DataContractError, SchemaError
from spline_lstm.core.formatting import listed, number_text, plural
from spline_lstm.core.params_tabular import TabularParams
from spline_lstm.core.row_schema import RowSchema
from spline_lstm.rows.transforms import IDENTITY, NumberTransform, fit_standard
from spline_lstm.tables.contract import LARGEST_VALUE
from spline_lstm.tables.row_table import RowTable

# Classes of a target with a limit, `tabular.above`.
NO_YES = ("no", "yes")
# A class needs a row in each split, and a number with more values than this is a regression.
FEWEST, MOST_CLASSES = 3, 100


@dataclass(frozen=True)
class Labels:
    """Labels of all rows.

    Attributes
    ----------
    truth : [rows] float64
        Position of the class, or the target in data units.
    classes : tuple of str
        Empty for regression.
    """

    truth: Float[np.ndarray, " rows"]
    classes: tuple[str, ...]

    def scaled(
        self, train: Bool[np.ndarray, " rows"]
    ) -> tuple[Num[np.ndarray, " rows"], NumberTransform]:
        """Labels as a model learns them, and the transform of a regression (else the identity)."""
        if self.classes:
            return self.truth.astype(np.int32), IDENTITY
        transform = fit_standard(self.truth[train])
        return transform.apply(self.truth).astype(np.float32), transform


def check_target(schema: RowSchema, params: TabularParams, where: str) -> None:
    """Raise SchemaError unless the schema has the target, the column of the split and a feature.

    The kinds of both must fit the params.
    """
    names = (params.target, params.split_column)
    for key, name in zip(("target", "split_column"), names, strict=True):
        if name is not None and name not in schema.names:
            raise SchemaError(
                f"{where}: tabular.{key} {name!r} is not a column of the schema (columns: "
                f"{listed(schema.names)}); set it to one of them"
            )
    if not set(schema.names) - set(names):
        raise SchemaError(f"{where}: the schema has no feature; add columns to it")
    kind, needs_number = schema.kind(params.target), params.kind == "regression"
    if (needs_number or params.above is not None) and kind != "number":
        what = "regression" if needs_number else "tabular.above"
        raise SchemaError(
            f"{where}: {what} needs a target of the kind number, but {params.target!r} is of the "
            f"kind {kind}; change the schema or tabular.kind"
        )


def labels_of(table: RowTable, schema: RowSchema, params: TabularParams, where: str) -> Labels:
    """Labels of the rows of a table, each of which has a target.

    Raises
    ------
    DataContractError
        The target is constant or too large, or its classes are too many or too rare.
    """
    values = table.columns[params.target]
    if params.kind == "regression":
        _check_size(values, table, params.target, where)
        if len(np.unique(values)) < 2:
            raise DataContractError(
                f"{where}: the target {params.target!r} is constant; there is nothing to learn"
            )
        return Labels(values.astype(np.float64), ())
    if params.above is not None:
        return _classes((values > params.above).astype(np.int64), NO_YES, params, where)
    if schema.kind(params.target) == "number":
        distinct, codes = np.unique(values, return_inverse=True)
        return _classes(codes, tuple(map(number_text, distinct.tolist())), params, where)
    texts = np.array([str(value) for value in values])
    distinct, codes = np.unique(texts, return_inverse=True)
    return _classes(codes, tuple(distinct.tolist()), params, where)


def _check_size(values: np.ndarray, table: RowTable, target: str, where: str) -> None:
    """Refuse targets whose squares and z-scores would not be finite, naming the first row."""
    rows = np.flatnonzero(np.abs(values.astype(np.float64)) > LARGEST_VALUE)
    if len(rows):
        row = rows[0]
        more = f" ({plural(len(rows) - 1, 'more row')} like it)" if len(rows) > 1 else ""
        raise DataContractError(
            f"{where} row {table.lines[row]}: the target {target!r} is {values[row]:g}{more}; it "
            f"must be within ±{LARGEST_VALUE:g}, which is what models can read: correct it, remove "
            "the row, or choose another unit"
        )


def _classes(
    codes: np.ndarray, names: tuple[str, ...], params: TabularParams, where: str
) -> Labels:
    counts = np.bincount(codes, minlength=len(names))
    if (counts > 0).sum() < 2:
        raise DataContractError(
            f"{where}: the target {params.target!r} has one class, "
            f"{names[int(counts.argmax())]!r}; there is nothing to learn"
        )
    if len(names) > MOST_CLASSES:
        raise DataContractError(
            f"{where}: the target {params.target!r} has {len(names)} classes, more than "
            f"{MOST_CLASSES}; for a number set tabular.kind: regression, or tabular.above"
        )
    rare = [name for name, count in zip(names, counts, strict=True) if count < FEWEST]
    if rare:
        raise DataContractError(
            f"{where}: of the target {params.target!r} {listed([repr(name) for name in rare])} "
            f"have fewer than {FEWEST} rows, one for each split; remove these rows or join classes"
        )
    return Labels(codes.astype(np.float64), names)


def check_classes(labels: Labels, train: Bool[np.ndarray, " rows"], where: str) -> None:
    """Raise DataContractError if the training split lacks a class."""
    present = set(labels.truth[train].astype(int).tolist())
    absent = [name for index, name in enumerate(labels.classes) if index not in present]
    if absent:
        raise DataContractError(
            f"{where}: the training split has no row of {listed([repr(name) for name in absent])}; "
            "set tabular.split: stratified, or join classes"
        )
