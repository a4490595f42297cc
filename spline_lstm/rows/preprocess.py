"""A table of rows to inputs and labels, every constant fitted on the training split."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from spline_lstm.core.errors import DataContractError
from spline_lstm.core.formatting import listed, plural
from spline_lstm.core.params_tabular import TabularParams
from spline_lstm.core.row_schema import RowSchema
from spline_lstm.rows.arrays import RowArrays
from spline_lstm.rows.features import DATE_PARTS, Features, column_of, features_of
from spline_lstm.rows.labels import Labels, check_classes, check_target, labels_of
from spline_lstm.rows.preprocessor import RowPreprocessor, as_float32
from spline_lstm.rows.quality import (
    Finding,
    codes_of,
    column_findings,
    copy_ids,
    missing_findings,
)
from spline_lstm.rows.splits import SPLITS, split_rows, strata_of, units_of
from spline_lstm.rows.transforms import NumberTransform, fit_quantiles, fit_standard
from spline_lstm.tables.row_table import RowTable, check_rows

FEWEST_ROWS = 30

Codes = Int[np.ndarray, " rows"]


@dataclass(frozen=True)
class PreprocessedRows:
    """Result of preprocessing.

    Attributes
    ----------
    arrays : RowArrays
    preprocessor : RowPreprocessor
    quality : dict
        Content of metrics/data.json.
    """

    arrays: RowArrays
    preprocessor: RowPreprocessor
    quality: dict[str, Any]


@dataclass(frozen=True)
class LabelledRows:
    """Rows with a target: their features, labels, and split."""

    features: Features
    labels: Labels
    codes: Codes

    @property
    def train(self) -> Bool[np.ndarray, " rows"]:
        """Rows of the training split."""
        return self.codes == SPLITS.index("train")


def preprocess_rows(
    table: RowTable,
    schema: RowSchema,
    params: TabularParams,
    *,
    where: str,
    codes: Codes | None = None,
) -> PreprocessedRows:
    """Split the rows, leave out what cannot be a feature, and fit every constant.

    Parameters
    ----------
    table : RowTable
    schema : RowSchema
    params : TabularParams
    where : str
        Name of the table in messages.
    codes : [rows] int8, optional
        Split of each row with a target, instead of the one of the params.

    Raises
    ------
    SchemaError
        The schema does not have the target or the column of the split.
    DataContractError
        The table breaks a rule whose policy is an error: one line for each.
    TooLittleDataError
        A split has no row.
    """
    check_target(schema, params, where)
    table, dropped = _with_targets(table, params, where)
    check_rows(table, where, FEWEST_ROWS)
    names = [n for n in schema.names if n not in (params.target, params.split_column)]
    features = _as_read(features_of(table, schema, names))
    labels = labels_of(table, schema, params, where)
    copies: list[Finding] = []
    if codes is None:
        codes, copies = _split(table, schema, features, labels, params, where)
    train = codes == SPLITS.index("train")
    check_classes(labels, train, where)
    findings = [*dropped, *_unknown(table), *copies]
    features = _varying_parts(features, schema, train)
    findings += column_findings(
        features,
        labels.truth,
        train,
        params,
        [n for n in features.numbers if n not in schema.names],
    )
    _refuse(findings, where)
    left_out = {item.column for item in findings if item.action == "drop" and item.column}
    kept = _without(features, left_out)
    if not (kept.numbers or kept.categories):
        raise DataContractError(f"{where}: every feature was left out: {listed(sorted(left_out))}")
    preprocessor = fit_rows(LabelledRows(kept, labels, codes), schema, params)
    inputs = preprocessor.inputs(kept)
    findings += [*missing_findings(kept, schema), *_unseen(preprocessor, inputs.categories, train)]
    scaled, _ = labels.scaled(train)
    arrays = RowArrays(inputs, scaled, labels.truth, codes, table.lines)
    return PreprocessedRows(arrays, preprocessor, _report(arrays, preprocessor, findings))


def fit_rows(rows: LabelledRows, schema: RowSchema, params: TabularParams) -> RowPreprocessor:
    """Every constant, from the rows of the training split alone."""
    train, features = rows.train, rows.features
    fitted = {name: _transform(values[train], params) for name, values in features.numbers.items()}
    categories = {
        name: _texts(values[train], params.min_count)
        for name, values in features.categories.items()
    }
    used = {column_of(name, schema) for name in (*fitted, *categories)}
    return RowPreprocessor(
        schema,
        params.kind,
        params.target,
        params.above,
        tuple(name for name in schema.names if name in used),
        fitted,
        categories,
        rows.labels.classes,
        rows.labels.scaled(train)[1],
    ).identified()


def _transform(values: np.ndarray, params: TabularParams) -> NumberTransform:
    if params.numbers == "standard":
        return fit_standard(values)
    return fit_quantiles(values, params.quantiles)


def _texts(values: np.ndarray, fewest: int) -> tuple[str | None, ...]:
    """Texts of a category in training, sorted; a missing cell is the last one."""
    counts = Counter(values.tolist())
    texts = sorted(text for text in counts if text is not None and counts[text] >= fewest)
    return (*texts, *([None] if counts[None] >= fewest else []))


def _as_read(features: Features) -> Features:
    """Numbers as models read them, float32, so that constants and exported files agree."""
    numbers = {name: as_float32(v).astype(np.float64) for name, v in features.numbers.items()}
    return Features(numbers, features.categories)


def _varying_parts(features: Features, schema: RowSchema, train: np.ndarray) -> Features:
    """Without the parts of dates that are constant in training, such as the hour of days.

    The day stays in any case: where even that is constant, it is found to be so, and named.
    """

    def varies(name: str, values: np.ndarray) -> bool:
        if name in schema.names or name.endswith(f".{DATE_PARTS[0]}"):
            return True
        codes = codes_of(values[train])
        return len(np.unique(codes[codes >= 0])) > 1

    numbers = {name: values for name, values in features.numbers.items() if varies(name, values)}
    return Features(numbers, features.categories)


def _without(features: Features, left_out: set[str]) -> Features:
    return Features(
        {name: values for name, values in features.numbers.items() if name not in left_out},
        {name: values for name, values in features.categories.items() if name not in left_out},
    )


def _with_targets(
    table: RowTable, params: TabularParams, where: str
) -> tuple[RowTable, list[Finding]]:
    """The rows with a target and a value in the column of the split, and what became of others."""
    found = []
    for name in (params.target, params.split_column):
        missing = np.zeros(len(table), bool) if name is None else table.is_missing(name)
        if not missing.any():
            continue
        first = table.lines[int(np.flatnonzero(missing)[0])]
        count = plural(int(missing.sum()), "row")
        what = "the target" if name == params.target else "tabular.split_column"
        text = f"{what} {name!r} is missing in {count}, first in row {first}"
        if params.missing_target == "error":
            raise DataContractError(
                f"{where}: {text}; fill it, or set tabular.missing_target: drop"
            )
        found.append(Finding("missing_target", "", "drop", f"{text}; these rows are left out"))
        table = table.kept(~missing)
    return table, found


def _split(
    table: RowTable,
    schema: RowSchema,
    features: Features,
    labels: Labels,
    params: TabularParams,
    where: str,
) -> tuple[Codes, list[Finding]]:
    """Split of each row, and what is to be said of rows that are equal."""
    columns = [*features.numbers.values(), *features.categories.values(), labels.truth]
    copies = copy_ids(columns, len(table))
    extra = None if params.split_column is None else table.columns[params.split_column]
    groups = codes_of(extra) if params.split == "group" and extra is not None else None
    together = copies if params.duplicates == "together" else np.arange(len(table))
    times = None
    if params.split == "time" and extra is not None:
        if schema.kind(str(params.split_column)) not in ("date", "number"):
            raise DataContractError(
                f"{where}: tabular.split time needs a column of the kind date or number, but "
                f"{params.split_column!r} is not; change the schema or the split"
            )
        times = np.unique(extra, return_inverse=True)[1]
    codes = split_rows(
        params, strata_of(labels.truth, params.kind), units_of(together, groups), times
    )
    return codes, _copies(table, copies, codes, params, where)


def _copies(
    table: RowTable, copies: Codes, codes: Codes, params: TabularParams, where: str
) -> list[Finding]:
    """Copies of rows: an error if they are in different splits and that is not allowed."""
    order = np.lexsort((codes, copies))
    same = np.diff(copies[order]) == 0
    apart = np.flatnonzero(same & (np.diff(codes[order]) != 0))
    count = int(same.sum())
    if not count:
        return []
    if len(apart) and params.duplicates == "error":
        one, other = sorted(table.lines[order[apart[0] : apart[0] + 2]].tolist())
        raise DataContractError(
            f"{where}: rows {one} and {other} are equal in all features and the target but in "
            f"different splits ({plural(len(apart), 'pair')}), so that a model would be tested on "
            "rows that it has learned; remove them, or set tabular.duplicates: together"
        )
    becomes = "kept in one split with it" if not len(apart) else "some in another split"
    equal = "equals" if count == 1 else "equal"
    text = f"{plural(count, 'row')} {equal} another row in all features and the target; {becomes}"
    return [Finding("copies", "", "keep", text)]


def _unknown(table: RowTable) -> list[Finding]:
    names = [repr(name) for name in table.unknown_columns]
    if not names:
        return []
    text = f"columns that the schema does not name are left out: {listed(names)}"
    return [Finding("unknown_column", "", "drop", text)]


def _unseen(preprocessor: RowPreprocessor, ids: np.ndarray, train: np.ndarray) -> list[Finding]:
    """Features with categories outside the training split that it does not have."""
    counts = (ids[~train] == 0).sum(axis=0).tolist()
    return [
        Finding(
            "unseen",
            name,
            "keep",
            f"feature {name!r} has in {plural(count, 'row')} of validation and test a category "
            "that the training split does not have, or hardly; it becomes the unknown token",
        )
        for name, count in zip(preprocessor.categories, counts, strict=True)
        if count
    ]


def _refuse(findings: Sequence[Finding], where: str) -> None:
    errors = [f"{where}: {item.text}" for item in findings if item.action == "error"]
    if errors:
        raise DataContractError(
            *errors, quality={"findings": [item.to_json() for item in findings]}
        )


def _report(
    arrays: RowArrays, preprocessor: RowPreprocessor, findings: Sequence[Finding]
) -> dict[str, Any]:
    """Content of metrics/data.json."""
    truth = arrays.truth
    splits = {name: len(rows) for name, rows in arrays.split_rows().items()}
    classes = {name: int((truth == index).sum()) for index, name in enumerate(preprocessor.classes)}
    target = (
        {}
        if classes
        else {
            "mean": float(truth.mean()),
            "std": float(truth.std()),
            "min": float(truth.min()),
            "max": float(truth.max()),
        }
    )
    return {
        "rows": len(truth),
        "kind": preprocessor.kind,
        "target": preprocessor.target,
        "numbers": list(preprocessor.numbers),
        "categories": {name: len(texts) for name, texts in preprocessor.categories.items()},
        **splits_of(splits),
        "classes": [{"class": name, "rows": count} for name, count in classes.items()],
        "target_values": target,
        "missing_cells": int(arrays.inputs.missing.sum()),
        "refused": [item.to_json() for item in findings if item.action == "drop"],
        "warnings": [item.to_json() for item in findings if item.action == "keep"],
        "run_id": preprocessor.run_id,
    }


def splits_of(counts: dict[str, int]) -> dict[str, int]:
    """Rows of each split under the keys of metrics/data.json."""
    return {f"{name}_rows": count for name, count in counts.items()}
