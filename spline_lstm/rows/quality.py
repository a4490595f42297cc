"""What is wrong with the columns of a table: which features are left out, and what is only said.

Everything is decided by the rows of the training split.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.core.formatting import number, plural
from spline_lstm.core.params_tabular import TabularParams
from spline_lstm.core.row_schema import RowSchema
from spline_lstm.rows.features import Features, column_of

# A text that is another one in nearly every row names the row.
ID_SHARE = 0.95
# Fewer rows cannot tell a name from a category.
ID_ROWS = 50
ID_NAME = re.compile(
    r"(?i)(?:^|[_ .-])(?:id|key|index|uuid)$|^(?:id|key|index)(?:$|[_ .-])|[a-z]ID$|Id$"
)

Action = Literal["drop", "keep", "error"]
Rows = Bool[np.ndarray, " rows"]


@dataclass(frozen=True)
class Finding:
    """What was found about a feature, or about the whole table.

    Attributes
    ----------
    rule : str
        constant, id, leakage, missing, unseen, outside, unknown_column, copies or missing_target.
    column : str
        Name of the feature, or "".
    action : str
        ``drop`` (left out), ``keep`` (said only) or ``error``.
    text : str
        What was found and what becomes of it.
    """

    rule: str
    column: str
    action: Action
    text: str

    def to_json(self) -> dict[str, str]:
        """Content for metrics/data.json."""
        return {"rule": self.rule, "column": self.column, "action": self.action, "text": self.text}


def column_findings(
    features: Features,
    truth: Float[np.ndarray, " rows"],
    train: Rows,
    params: TabularParams,
    date_parts: Sequence[str] = (),
) -> list[Finding]:
    """Findings about constant, naming and leaking features, one per feature at most.

    A part of a date never counts as the name of a row, though each row may have a day of its own.
    """
    found = []
    for name, values in (*features.numbers.items(), *features.categories.items()):
        finding = (
            _constant(name, values[train], params)
            or (None if name in date_parts else _id(name, values[train], params))
            or _leak(name, values[train], truth[train], params)
        )
        found += [finding] if finding else []
    return found


def _constant(name: str, values: np.ndarray, params: TabularParams) -> Finding | None:
    codes = codes_of(values)
    if len(np.unique(codes)) > 1:
        return None
    value = "missing" if codes[0] < 0 else _cell(values[0])
    text = f"feature {name!r} is constant in the training split ({value})"
    return _finding("constant", name, params.constant_columns, text, "constant_columns")


def _id(name: str, values: np.ndarray, params: TabularParams) -> Finding | None:
    codes = codes_of(values)
    codes = codes[codes >= 0]
    distinct = len(np.unique(codes))
    if len(codes) < ID_ROWS or distinct < ID_SHARE * len(codes):
        return None
    if values.dtype != object and not _counts_rows(name, values, distinct, params):
        return None
    text = f"feature {name!r} names the row: {distinct} different values in {len(codes)} rows"
    return _finding("id", name, params.id_columns, text, "id_columns")


def _counts_rows(name: str, values: np.ndarray, distinct: int, params: TabularParams) -> bool:
    """Whether whole numbers, hardly any of them twice, number the rows or are called an id."""
    seen = values[~np.isnan(values)]
    if distinct < len(seen) or not (seen == np.floor(seen)).all():
        return False
    span = float(seen.max() - seen.min()) + 1
    return bool(ID_NAME.search(name)) or span <= 2 * len(seen) / params.train


def _leak(
    name: str, values: np.ndarray, truth: Float[np.ndarray, " train"], params: TabularParams
) -> Finding | None:
    share = explained_share(values, truth, params.kind)
    if params.kind == "regression" and values.dtype != object:
        share = max(share, _linear_share(values, truth))
    if not share >= params.leakage_share:
        return None
    action: Action = "keep" if params.leakage == "warn" else params.leakage
    text = (
        f"feature {name!r} determines the target: alone it explains {number(100 * share)} % of it; "
        "make sure that it is known before the target"
    )
    return _finding("leakage", name, action, text, "leakage")


def _finding(rule: str, name: str, action: Action, text: str, key: str) -> Finding:
    becomes = {"drop": "it is left out", "keep": "it is kept", "error": "remove it"}[action]
    return Finding(rule, name, action, f"{text}; {becomes} (tabular.{key})")


def explained_share(values: np.ndarray, truth: Float[np.ndarray, " rows"], kind: str) -> float:
    """Share of the target's variation that one feature explains in rows it did not learn from.

    Every second row is the example for the others: the answer for a value is the most frequent
    class (or the mean) among the examples with the same value; for a number, among those with the
    nearest one (or between those of the two nearest ones). The share is 1 less the errors relative
    to those of the majority class (the squared errors relative to those of the mean); it may be
    negative.
    """
    examples, others = slice(0, None, 2), slice(1, None, 2)
    known, answers = _answers(codes_of(values)[examples], truth[examples], kind)
    if values.dtype == object or np.isnan(values).any():
        codes = codes_of(values)
        place = np.searchsorted(known, codes[others]).clip(max=len(known) - 1)
        fallback = _typical(truth[examples], kind)
        answer = np.where(known[place] == codes[others], answers[place], fallback)
    else:
        distinct = np.unique(values)[known]
        # Between two examples, the target of a number lies between theirs.
        answer = (
            np.interp(values[others], distinct, answers)
            if kind == "regression"
            else answers[_nearest(distinct, values[others])]
        )
    errors = _errors(answer, truth[others], kind)
    least = _errors(np.full(1, _typical(truth[examples], kind)), truth[others], kind)
    return 1 - errors / least if least > 0 else 0.0


def _linear_share(values: np.ndarray, truth: Float[np.ndarray, " rows"]) -> float:
    """Squared correlation of a number with the target."""
    seen = ~np.isnan(values)
    if np.ptp(values[seen]) == 0 or np.ptp(truth[seen]) == 0:
        return 0.0
    return float(np.corrcoef(values[seen], truth[seen])[0, 1] ** 2)


def _answers(
    codes: Int[np.ndarray, " rows"], truth: Float[np.ndarray, " rows"], kind: str
) -> tuple[Int[np.ndarray, " distinct"], Float[np.ndarray, " distinct"]]:
    """The distinct codes, ascending, and for each the most frequent class or the mean."""
    known, groups = np.unique(codes, return_inverse=True)
    if kind == "regression":
        return known, np.bincount(groups, truth) / np.bincount(groups)
    classes = int(truth.max()) + 1
    table = np.bincount(groups * classes + truth.astype(np.int64), minlength=len(known) * classes)
    return known, table.reshape(len(known), classes).argmax(axis=1).astype(np.float64)


def _typical(truth: Float[np.ndarray, " rows"], kind: str) -> float:
    """The mean, or the most frequent class."""
    if kind == "regression":
        return float(truth.mean())
    return float(np.bincount(truth.astype(np.int64)).argmax())


def _errors(answer: np.ndarray, truth: np.ndarray, kind: str) -> float:
    return float(((answer - truth) ** 2).sum() if kind == "regression" else (answer != truth).sum())


def _nearest(known: Float[np.ndarray, " distinct"], values: np.ndarray) -> np.ndarray:
    """Position of the nearest of ascending values."""
    right = np.searchsorted(known, values).clip(1, max(1, len(known) - 1))
    right = right.clip(max=len(known) - 1)
    left = np.maximum(right - 1, 0)
    return np.where(np.abs(values - known[left]) <= np.abs(known[right] - values), left, right)


def codes_of(values: np.ndarray) -> Int[np.ndarray, " rows"]:
    """Position of each value among the distinct ones in sorted order, -1 where it is missing."""
    missing = (
        np.array([value is None for value in values], dtype=bool)
        if values.dtype == object
        else np.isnan(values)
    )
    codes = np.full(len(values), -1, dtype=np.int64)
    # As texts: objects have no order beside None.
    seen = values[~missing].astype(str) if values.dtype == object else values[~missing]
    codes[~missing] = np.unique(seen, return_inverse=True)[1]
    return codes


def copy_ids(columns: Sequence[np.ndarray], rows: int) -> Int[np.ndarray, " rows"]:
    """The same number for rows that are equal in all columns."""
    ids = np.zeros(rows, dtype=np.int64)
    for values in columns:
        codes = codes_of(values) + 1
        ids = np.unique(ids * (int(codes.max(initial=0)) + 1) + codes, return_inverse=True)[1]
    return ids


def missing_findings(features: Features, schema: RowSchema) -> Iterable[Finding]:
    """One finding per column with missing cells; all parts of a date miss the same ones."""
    said: set[str] = set()
    for name, values in (*features.numbers.items(), *features.categories.items()):
        column = column_of(name, schema)
        count = 0 if column in said else int((codes_of(values) < 0).sum())
        said.add(column)
        if count:
            becomes = (
                "models see which ones, and learn a value for them"
                if name in features.numbers
                else "they are a category of their own"
            )
            share = number(100 * count / len(values))
            text = f"feature {column!r} is missing in {plural(count, 'row')} ({share} %); {becomes}"
            yield Finding("missing", column, "keep", text)


def _cell(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)
