"""The raw table: CSV text to typed columns, checked against the data contract.

Row numbers in messages are lines of the file, the header being line 1.
"""

import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from pandas.errors import EmptyDataError, ParserError, ParserWarning

from spline_lstm.errors import DataContractError, MissingCovariateError
from spline_lstm.schema import Schema, TableFormat

HEADER_LINES = 1
ZONE = r"(?:[zZ]|[+-]\d{2}:?\d{2}|[+-]\d{2})\s*$"


@dataclass(frozen=True)
class RawTable:
    """Rows sorted by series and stamp, each stamp once.

    Attributes
    ----------
    stamps : [rows] int64, ns since 1970 UTC
    values : [rows, columns] float64, data units, NaN where missing
    columns : names of `values`: targets, then dynamic covariates
    series_offsets : [series + 1] int64, first row of each series and the end
    series_names : one name per series, in sorted order ("" where the schema has no series column)
    duplicates : number of rows merged into another row of the same stamp
    unknown_columns : columns that the schema does not name
    """

    stamps: Int[np.ndarray, " rows"]
    values: Float[np.ndarray, "rows columns"]
    columns: tuple[str, ...]
    series_offsets: Int[np.ndarray, " bounds"]
    series_names: tuple[str, ...]
    duplicates: int
    unknown_columns: tuple[str, ...]


def read_raw_table(content: bytes, schema: Schema, *, where: str, sort: bool, duplicates: str) -> RawTable:
    """Parse and check a raw table.

    Parameters
    ----------
    content : bytes
        CSV text, UTF-8 (a byte order mark is allowed).
    schema : Schema
    where : str
        Name of the file in error messages.
    sort : bool
        Sort rows by stamp within a series instead of refusing them.
    duplicates : str
        ``error``, ``first``, ``last`` or ``mean``: what becomes of rows with one stamp.

    Raises
    ------
    DataContractError
        The text is no table, or breaks a rule of the contract.
    MissingCovariateError
        A required covariate is not among the columns.
    """
    frame = parse_csv(content, schema.table_format, where)
    columns = _select_columns(frame, schema, where)
    stamps = parse_stamps(frame[schema.timestamp_col], schema.table_format.timestamp_format, where)
    values = np.column_stack([_numbers(frame[name], schema.table_format, where) for name in columns])
    keys, names = _series_keys(frame, schema, where)
    order = np.lexsort((stamps, keys)) if sort else np.argsort(keys, kind="stable")
    _check_order(stamps, keys, order, where)
    merged = merge_duplicates(stamps[order], values[order], keys[order], duplicates, order, where)
    offsets = np.searchsorted(merged[2], np.arange(len(names) + 1))
    named = {schema.timestamp_col, schema.series_col, *columns}
    return RawTable(
        stamps=merged[0],
        values=merged[1],
        columns=columns,
        series_offsets=offsets.astype(np.int64),
        series_names=names,
        duplicates=len(stamps) - len(merged[0]),
        unknown_columns=tuple(name for name in frame.columns if name not in named),
    )


def parse_csv(content: bytes, table_format: TableFormat, where: str) -> pd.DataFrame:
    """Parse CSV text; cells that are no number stay text."""
    if b"\0" in content:
        raise DataContractError(f"{where}: the file is binary, not CSV text; export it as UTF-8 CSV or as Parquet")
    try:
        with warnings.catch_warnings():
            # A row longer than the header would lose cells with no more than this warning.
            warnings.simplefilter("error", ParserWarning)
            frame = pd.read_csv(
                io.BytesIO(content),
                sep=table_format.separator,
                decimal=table_format.decimal,
                na_values=["", *table_format.missing_markers],
                keep_default_na=False,
                index_col=False,
                encoding="utf-8-sig",
                low_memory=False,
            )
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataContractError(f"{where} row {line}: no UTF-8 text; export the file as UTF-8 CSV") from None
    except (ParserError, ParserWarning, EmptyDataError, ValueError, OverflowError) as error:
        raise DataContractError(
            f"{where}: no CSV table ({error}); each row needs as many cells as the header"
        ) from None
    if frame.empty:
        raise DataContractError(f"{where}: no rows below the header; the file must hold one row per stamp")
    return frame


def _select_columns(frame: pd.DataFrame, schema: Schema, where: str) -> tuple[str, ...]:
    present = ", ".join(str(name) for name in frame.columns)
    for name in (schema.timestamp_col, *schema.target_cols, *([schema.series_col] if schema.series_col else [])):
        if name not in frame.columns:
            raise DataContractError(
                f"{where}: column {name!r} of the schema is not in the table (columns: {present}); "
                "mend the schema or table_format.separator"
            )
    missing = [item.name for item in schema.dynamic_covariates if item.required and item.name not in frame.columns]
    if missing:
        raise MissingCovariateError(
            f"{where}: required covariate {', '.join(map(repr, missing))} is not in the table (columns: {present}); "
            "add the column or set required to false in the schema"
        )
    dynamic = [item.name for item in schema.dynamic_covariates if item.name in frame.columns]
    return (*schema.target_cols, *dynamic)


def parse_stamps(texts: pd.Series, timestamp_format: str, where: str) -> Int[np.ndarray, " rows"]:
    """Stamps in ns since 1970 UTC; naive stamps count as UTC, aware ones are converted.

    Raises
    ------
    DataContractError
        A stamp is missing or unreadable, or naive and aware stamps are mixed.
    """
    absent = texts.isna().to_numpy()
    if absent.any():
        raise DataContractError(f"{where} row {_row(absent)}: the stamp is missing; each row needs a stamp")
    if timestamp_format in ("unix_s", "unix_ms"):
        return _epoch_stamps(texts, {"unix_s": 10**9, "unix_ms": 10**6}[timestamp_format], where)
    texts = texts.astype("str")
    # One pattern test on the joined text is much cheaper than one per row.
    aware = texts.str.contains(ZONE, regex=True).to_numpy(dtype=bool) if timestamp_format == "ISO8601" else None
    if aware is not None and aware.any() and not aware.all():
        other = aware if not aware[0] else ~aware
        raise DataContractError(
            f"{where} row {_row(other)}: stamps with and without a time zone are mixed; write all of them in one form"
        )
    parsed = pd.to_datetime(texts, format=timestamp_format, errors="coerce", utc=True)
    unreadable = parsed.isna().to_numpy()
    if unreadable.any():
        text = texts.to_numpy()[int(np.argmax(unreadable))]
        raise DataContractError(
            f"{where} row {_row(unreadable)}: stamp {text!r} is not of the form {timestamp_format}; "
            "declare the form in table_format.timestamp_format of the schema"
        )
    try:
        return parsed.dt.as_unit("ns").astype("int64").to_numpy()
    except (pd.errors.OutOfBoundsDatetime, OverflowError):
        raise DataContractError(
            f"{where}: stamps must lie between the years 1678 and 2261; mend those outside"
        ) from None


def _epoch_stamps(texts: pd.Series, unit_ns: int, where: str) -> Int[np.ndarray, " rows"]:
    numbers = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float64)
    limit = np.iinfo(np.int64).max / unit_ns
    bad = ~(np.abs(numbers) < limit)
    if bad.any():
        raise DataContractError(f"{where} row {_row(bad)}: the stamp is no number of the declared unix time; mend it")
    whole = np.floor(numbers)
    return whole.astype(np.int64) * unit_ns + np.round((numbers - whole) * unit_ns).astype(np.int64)


def _numbers(column: pd.Series, table_format: TableFormat, where: str) -> Float[np.ndarray, " rows"]:
    if pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
        texts = column.astype("str").str.strip()
        if table_format.decimal != ".":
            texts = texts.str.replace(table_format.decimal, ".", regex=False)
        texts = texts.mask(texts.isin(["", *table_format.missing_markers]))
        numbers = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float64)
        wrong = np.isnan(numbers) & column.notna().to_numpy() & texts.notna().to_numpy()
        if wrong.any():
            text = column.to_numpy()[int(np.argmax(wrong))]
            raise DataContractError(
                f"{where} row {_row(wrong)}: column {column.name!r} holds {text!r}, which is no number; "
                "mend the cell, or declare the text in table_format.missing_markers of the schema"
            )
    else:
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    infinite = np.isinf(numbers)
    if infinite.any():
        raise DataContractError(
            f"{where} row {_row(infinite)}: column {column.name!r} is infinite; values must be finite or missing"
        )
    return numbers


def _series_keys(frame: pd.DataFrame, schema: Schema, where: str) -> tuple[Int[np.ndarray, " rows"], tuple[str, ...]]:
    if schema.series_col is None:
        return np.zeros(len(frame), dtype=np.int64), ("",)
    column = frame[schema.series_col]
    absent = column.isna().to_numpy()
    if absent.any():
        raise DataContractError(f"{where} row {_row(absent)}: the series key {schema.series_col!r} is missing; add it")
    keys, names = pd.factorize(column.astype("str"), sort=True)
    return keys.astype(np.int64), tuple(str(name) for name in names)


def _check_order(stamps: np.ndarray, keys: np.ndarray, order: np.ndarray, where: str) -> None:
    ordered, ordered_keys = stamps[order], keys[order]
    backwards = (np.diff(ordered) < 0) & (np.diff(ordered_keys) == 0)
    if backwards.any():
        position = int(np.argmax(backwards)) + 1
        raise DataContractError(
            f"{where} row {order[position] + HEADER_LINES + 1}: timestamp {_text(ordered[position])} is earlier than "
            f"{_text(ordered[position - 1])} before it; stamps must increase within a series. "
            "Sort the file or set data.sort: true"
        )


def merge_duplicates(
    stamps: Int[np.ndarray, " rows"],
    values: Float[np.ndarray, "rows columns"],
    keys: Int[np.ndarray, " rows"],
    policy: str,
    order: Sequence[int] | np.ndarray,
    where: str,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Leave one row per series and stamp, by `policy`; rows must be sorted.

    Raises
    ------
    DataContractError
        `policy` is ``error`` and a stamp stands twice.
    """
    same = (np.diff(stamps) == 0) & (np.diff(keys) == 0)
    if not same.any():
        return stamps, values, keys
    if policy == "error":
        position = int(np.argmax(same)) + 1
        raise DataContractError(
            f"{where} row {order[position] + HEADER_LINES + 1}: timestamp {_text(stamps[position])} stands twice in "
            "its series; remove a row or set data.duplicates to first, last or mean"
        )
    first: Bool[np.ndarray, " rows"] = np.concatenate([[True], ~same])
    if policy == "mean":
        counted = ~np.isnan(values)
        starts = np.flatnonzero(first)
        totals = np.add.reduceat(np.where(counted, values, 0.0), starts, axis=0)
        counts = np.add.reduceat(counted.astype(np.float64), starts, axis=0)
        with np.errstate(invalid="ignore"):
            return stamps[first], totals / counts, keys[first]
    kept = first if policy == "first" else np.concatenate([~same, [True]])
    return stamps[kept], values[kept], keys[kept]


def _row(bad: np.ndarray) -> int:
    return int(np.argmax(bad)) + HEADER_LINES + 1


def _text(stamp: int) -> str:
    return re.sub(r"(:\d\d)\.?0*$", r"\1", str(pd.Timestamp(int(stamp))))
