"""What `init --task tabular` proposes for a table: kinds of the columns, target, kind of the task.

What cannot be decided ends with a UsageError that names the candidates and the option to give.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spline_lstm.core.errors import UsageError
from spline_lstm.core.formatting import listed, plural
from spline_lstm.core.params import Params, load_params, with_values
from spline_lstm.core.params_tabular import TabularParams
from spline_lstm.core.params_trees import leaf_rows
from spline_lstm.core.row_schema import parse_row_schema
from spline_lstm.core.table_format import TableFormat
from spline_lstm.rows.preprocessor import as_float32
from spline_lstm.scaffold.column_types import Column, examine_all
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.read_table import read_table
from spline_lstm.scaffold.summary import Plan
from spline_lstm.scaffold.table import MARKERS, Table
from spline_lstm.scaffold.user_files import UserFiles
from spline_lstm.tables.parsing import cell_texts, parse_timestamps

# What people call a target.
TARGET_NAMES = frozenset({"target", "label", "y", "class", "outcome", "response"})
# Whole numbers with at most so many values may be classes.
MOST_CODES = 10
KINDS = {"float": "number", "int": "number", "boolean": "boolean", "text": "category"}
DATE_SAMPLE = 1000
# Dates that are not written as ISO 8601 has them, such as 31.12.2024 and 12/31/24.
OTHER_DATE = r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}(?![-/.\d])"
# What pandas calls a column whose header is empty: the index that it wrote itself, as a rule.
NAMELESS = "Unnamed:"
LOSSES = {"classification": "cross_entropy", "regression": "mse"}


# The pipeline whose params every table of rows gets.
PATTERN = Path("pipelines/tabular")


def rows_base(root: Path) -> Params:
    """The params of pipelines/tabular without what they say of its own table."""
    own = {f"tabular.{key}": value for key, value in Params().tabular if key != "target"}
    return with_values(load_params(root / PATTERN), own, f"{PATTERN / 'params.yaml'}")


def rows_plan(files: UserFiles, content: bytes, where: str, options: Options) -> Plan:
    """What a table of rows proposes, with the user's schema and the values of the overlay.

    Raises
    ------
    UsageError
        As in `propose_rows`.
    SchemaError
        The user's schema breaks a rule.
    """
    target, kind = (files.overlay.get(f"tabular.{key}") for key in ("target", "kind"))
    options = replace(
        options,
        targets=options.targets or ((str(target),) if target else ()),
        kind=options.kind or kind,
    )
    used = None if files.schema is None else parse_row_schema(files.schema, where).names
    plan = propose_rows(read_table(content, where, options), where, options, used)
    plan = replace(
        plan,
        values={**plan.values, **files.overlay},
        decisions={**plan.decisions, **files.decisions},
    )
    if files.schema is None:
        return plan
    told = {key: text for key, text in plan.decisions.items() if key not in KINDS.values()}
    return replace(plan, decisions=told, questions=())


def propose_rows(
    table: Table, where: str, options: Options, used: Collection[str] | None = None
) -> Plan:
    """The schema and the params of a table of rows.

    Parameters
    ----------
    table : Table
    where : str
        Name of the file in messages.
    options : Options
        `targets`, `kind` and `missing` count.
    used : names of the columns that the user's schema has, optional

    Raises
    ------
    UsageError
        The target, its kind, or whether a text means "missing" is open, the target is a date, or
        no column can be a feature.
    """
    columns = {
        name: column
        for name, column in examine_all(table, options.missing).items()
        if not name.startswith(NAMELESS)
    }
    target = _target(columns, where, options)
    _check_oddities(columns, where, options)
    kinds = {name: _kind(column) for name, column in columns.items() if column.kind != "empty"}
    _check_kinds(kinds, target, where)
    kind = _task_kind(columns[target], where, options)
    kinds[target] = "number" if kind == "regression" else kinds[target]
    copies = _has_copies(columns, kinds, kinds if used is None else used)
    values: dict[str, Any] = {
        "task": "tabular",
        "tabular.kind": kind,
        "tabular.target": target,
        "train.loss": LOSSES[kind],
        "trees.min_rows": leaf_rows(int(len(table.cells) * TabularParams().train)),
    }
    values |= {"tabular.duplicates": "together"} if copies else {}
    markers = _missing_markers(columns, target)
    return Plan(
        _schema(table, markers, kinds, options),
        values,
        _decisions(kinds, target, kind, _left_out(table, columns), copies=copies),
        (
            *_target_questions(columns[target], markers | {*options.missing}),
            *_questions(columns, target),
            *_date_questions(columns, kinds, target),
        ),
    )


def _has_copies(
    columns: Mapping[str, Column], kinds: Mapping[str, str], used: Collection[str]
) -> bool:
    """Whether rows are equal in all columns that are `used`, as models read them."""
    read = {
        name: as_float32(columns[name].numbers) if kind == "number" else columns[name].cells
        for name, kind in kinds.items()
        if name in used
    }
    return bool(pd.DataFrame(read).duplicated().any())


def _target(columns: Mapping[str, Column], where: str, options: Options) -> str:
    if len(options.targets) > 1:
        raise UsageError("--target: a table of rows has one target; give it once")
    if options.targets:
        name = options.targets[0]
        if name not in columns:
            raise UsageError(
                f"--target {name}: {where} has no such column; it has {listed([*columns], 20)}"
            )
    else:
        named = [name for name in columns if name.lower() in TARGET_NAMES]
        if len(named) != 1:
            raise UsageError(
                f"{where}: which column is to be predicted? Give --target, one of "
                f"{listed([*columns], 20)}"
            )
        name = named[0]
    if columns[name].kind == "empty":
        raise UsageError(f"--target {name}: the column has no value; choose another one")
    return name


def _check_kinds(kinds: Mapping[str, str], target: str, where: str) -> None:
    if kinds[target] == "date":
        raise UsageError(
            f"--target {target}: it is a date in {where}; choose a column of classes or numbers"
        )
    if len(kinds) < 2:
        raise UsageError(f"{where}: beside the target {target!r} no column has values; add one")


def _check_oddities(columns: Mapping[str, Column], where: str, options: Options) -> None:
    for name, column in columns.items():
        if column.oddities and not options.missing:
            raise UsageError(
                f"{where}: column {name!r} has numbers, but also {listed(column.oddities)}; give "
                f"--missing TEXT for each text that means missing, or fix these cells"
            )


def _task_kind(target: Column, where: str, options: Options) -> str:
    """Classification or regression, by the values of the target."""
    if options.kind is not None:
        if options.kind == "regression" and not (target.is_number or target.kind == "boolean"):
            raise UsageError(
                f"--kind regression: the target {target.name!r} of {where} is not a number"
            )
        return options.kind
    if not target.is_number:
        return "classification"
    seen = target.numbers[~np.isnan(target.numbers)]
    distinct = len(np.unique(seen))
    # Codes are often written as 0.0 and 1.0, by programs that keep missing cells as numbers.
    if distinct > MOST_CODES or (seen != np.floor(seen)).any():
        return "regression"
    if distinct <= 2:
        return "classification"
    raise UsageError(
        f"{where}: the target {target.name!r} has {distinct} whole numbers, which may be classes "
        "or amounts; give --kind classification or --kind regression"
    )


def _kind(column: Column) -> str:
    if column.kind == "text" and _is_date(column.cells):
        return "date"
    return KINDS[column.kind]


def _is_date(cells: pd.Series) -> bool:
    """Whether all of the first cells are dates of ISO 8601."""
    if pd.api.types.is_datetime64_any_dtype(cells):
        return True
    texts = cell_texts(cells.iloc[:DATE_SAMPLE].astype("str"), TableFormat()).dropna()
    if texts.empty or not texts.str.contains(r"\d{4}-\d{2}", regex=True).all():
        return False
    return not any(mask.any() for mask in parse_timestamps(texts, TableFormat()).faults.values())


def _missing_markers(columns: Mapping[str, Column], target: str) -> frozenset[str]:
    """Texts that mean missing in the whole table.

    A text such as none may be a class of the target: it is one, unless columns of numbers have it.
    """
    features = [column for name, column in columns.items() if name != target]
    among_numbers = {
        text for column in features if column.kind != "text" for text in column.markers
    }
    anywhere = {text for column in columns.values() for text in column.markers}
    may_be_classes = columns[target].markers if columns[target].kind == "text" else ()
    return frozenset(among_numbers | (anywhere - {*may_be_classes}))


def _schema(
    table: Table, markers: frozenset[str], kinds: Mapping[str, str], options: Options
) -> dict[str, Any]:
    content = table.format_content()
    missing = sorted(markers | {*options.missing})
    content |= {"missing_markers": missing} if missing else {}
    listed_columns = [{"name": name, "kind": kind} for name, kind in kinds.items()]
    schema: dict[str, Any] = {"version": 1, "columns": listed_columns}
    return schema | ({"table_format": content} if content else {})


def _left_out(table: Table, columns: Mapping[str, Column]) -> list[str]:
    """Columns that cannot be features, each with the reason."""
    nameless = sum(str(name).startswith(NAMELESS) for name in table.cells)
    empty = [f"{name} (no value)" for name, column in columns.items() if column.kind == "empty"]
    return [*empty, *([f"{plural(nameless, 'column')} without a name"] if nameless else [])]


def _decisions(
    kinds: Mapping[str, str],
    target: str,
    kind: str,
    left_out: list[str],
    *,
    copies: bool,
) -> dict[str, str]:
    found = {"target": f"{target} ({kind})"}
    for each in ("number", "category", "boolean", "date"):
        names = [name for name, its in kinds.items() if its == each and name != target]
        found |= {each: listed(names, 12)} if names else {}
    found |= {"left out": listed(left_out)} if left_out else {}
    if copies:
        found["duplicates"] = "some rows are equal; all copies of a row come into one split"
    return found


def _target_questions(target: Column, markers: frozenset[str]) -> list[str]:
    """What the owner of the data should check of the target; `markers` mean missing."""
    classes = [text for text in target.markers if text not in markers]
    lost = int(target.cells.isna().sum()) + int(target.cells.isin(["", *markers]).sum())
    asked = [
        f"{listed(classes)}: a class of the target {target.name!r} here; if it means missing, give "
        "--missing with the text"
    ]
    rows = f"the target {target.name!r} is missing in {lost} rows, which are left out"
    return (asked if classes else []) + ([rows] if lost else [])


def _questions(columns: Mapping[str, Column], target: str) -> list[str]:
    """What the owner of the data should check."""
    asked = [
        f"column {name!r} contains {listed(column.sentinels)}, which often means missing; if it "
        "does, add it to table_format.missing_markers of the schema"
        for name, column in columns.items()
        if column.sentinels
    ]
    codes = [
        name
        for name, column in columns.items()
        if column.kind == "int" and name != target and _few(column)
    ]
    if codes:
        asked.append(
            f"{listed(codes)}: whole numbers with few values are numbers here; if they are codes, "
            "set their kind to category in the schema"
        )
    return asked


def _date_questions(
    columns: Mapping[str, Column], kinds: Mapping[str, str], target: str
) -> list[str]:
    """Categories that are dates in another form than ISO 8601."""
    names = [
        name
        for name, kind in kinds.items()
        if kind == "category" and name != target and _is_other_date(columns[name].cells)
    ]
    said = "dates that are not written as ISO 8601, and categories here; write them as 2024-12-31"
    return [f"{listed(names)}: {said}"] if names else []


def _is_other_date(cells: pd.Series) -> bool:
    texts = cells.iloc[:DATE_SAMPLE].astype("str").dropna()
    texts = texts[~texts.str.lower().isin(["", *MARKERS])]
    return not texts.empty and bool(texts.str.match(OTHER_DATE).all())


def _few(column: Column) -> bool:
    return 1 < len(np.unique(column.numbers[~np.isnan(column.numbers)])) <= MOST_CODES
