"""What the user brings to `init`: options on the command line, an overlay of params, a schema."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from spline_lstm.core.errors import UsageError
from spline_lstm.core.formatting import plural
from spline_lstm.core.params import parse_overlay
from spline_lstm.core.schema import Schema, parse_schema
from spline_lstm.core.table_format import INDEX
from spline_lstm.scaffold.options import NO_TIMESTAMP, Options
from spline_lstm.scaffold.propose import propose
from spline_lstm.scaffold.read_table import TEXT_OPTIONS, read_table
from spline_lstm.scaffold.summary import Plan, with_columns_of
from spline_lstm.scaffold.table import Table
from spline_lstm.tables.contract import check_header
from spline_lstm.tables.parquet import is_parquet

# Keys of params.yaml that say what an option of `init` says.
OPTION_OF = {
    "preprocess.frequency": "frequency",
    "preprocess.holidays": "holidays",
    "preprocess.week_mask": "week_mask",
    "preprocess.max_missing": "max_missing",
    "data.time_zone": "time_zone",
    "data.ambiguous_hour": "ambiguous_hour",
    "data.duplicates": "duplicates",
}


@dataclass(frozen=True)
class UserFiles:
    """An overlay of params and a schema that the user brings.

    Attributes
    ----------
    overlay : dotted key of params.yaml -> value; it overrides what is proposed
    schema : text of the file, or None to have it proposed
    params_file : what messages call the overlay
    decisions : what is taken from which file
    """

    overlay: Mapping[str, Any] = field(default_factory=dict)
    schema: str | None = None
    params_file: str = "the proposed params"
    decisions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        params: Path | None,
        schema: Path | None,
        parse: Callable[[str, str], object] = parse_schema,
    ) -> "UserFiles":
        """Read the files and check what can be checked without the table.

        `parse` reads the text of a schema; the second argument is its name in messages.

        Raises
        ------
        UsageError
            A file is missing.
        ParamsError
            The overlay is not YAML or has an unknown key.
        SchemaError
            The schema breaks a rule.
        """
        found = cls()
        if params is not None:
            overlay = parse_overlay(_read_text(params, "--params"), str(params))
            decisions = {"params": f"{plural(len(overlay), 'setting')} as in {params}"}
            found = cls(overlay, None, str(params), decisions)
        if schema is not None:
            text = _read_text(schema, "--schema")
            parse(text, str(schema))
            decisions = {**found.decisions, "schema": f"as in {schema}"}
            found = replace(found, schema=text, decisions=decisions)
        return found

    def complete(self, content: bytes, where: str, options: Options) -> Plan:
        """What the table proposes, with the values of the overlay.

        Raises
        ------
        UsageError, DataContractError, MissingCovariateError
            The table leaves something open, or does not fit the schema.
        """
        schema = None if self.schema is None else parse_schema(self.schema, where)
        given_form = options.timestamp_format
        if schema is not None:
            options = options_of(schema, options, is_text=not is_parquet(content))
        options = self._with_overlay(options)
        table = read_table(content, where, options)
        header = list(map(str, table.cells))
        if schema is not None:
            check_header(header, schema, where)
            if given_form is None and _has_timestamps(table, schema):
                # Only text is read by the form of the schema, here as in the stages.
                options = replace(options, timestamp_format=None)
        plan = Plan.of(propose(table, where, options, self.overlay), self.decisions)
        if schema is None:
            return plan
        mode = {"preprocess.feature_mode": feature_mode(schema, header)}
        plan = with_columns_of(schema, header, plan)
        return replace(plan, values={**plan.values, **mode, **self.overlay})

    def _with_overlay(self, options: Options) -> Options:
        """The options, with what the overlay says about reading the table and its clock."""
        frequency = self.overlay.get("preprocess.frequency")
        if options.frequency is not None and frequency not in (None, options.frequency):
            raise UsageError(
                f"--frequency {options.frequency}, but {self.params_file} has "
                f"preprocess.frequency: {frequency}; leave one of them out"
            )
        given = {
            name: self.overlay[key]
            for key, name in OPTION_OF.items()
            if self.overlay.get(key) is not None and not getattr(options, name)
        }
        if "holidays" in given:
            given["holidays"] = tuple(given["holidays"])
        keys = {name: key for key, name in OPTION_OF.items() if name in given}
        return replace(options, **given, keys=keys)


NO_FILES = UserFiles()


def feature_mode(schema: Schema, header: Sequence[str]) -> str:
    """Multivariate if the table or the calendar has any feature of a schema beside the targets."""
    calendar = schema.calendar_features
    present = {*header} & {*schema.covariate_names}
    is_multivariate = present or (calendar.enabled and calendar.features)
    return "multivariate" if is_multivariate else "univariate"


def options_of(schema: Schema, options: Options, *, is_text: bool = True) -> Options:
    """The options, with what a schema declares in place of what they leave open.

    How text is read is taken from it if the file is text, and not Parquet.
    """
    table = schema.table_format
    wide = schema.wide
    declared = replace(
        options,
        timestamp="+".join(schema.timestamp_cols) or NO_TIMESTAMP,
        targets=schema.target_cols if wide is None else wide.columns,
        series=schema.series_col if wide is None else None,
        layout="long" if wide is None else "wide",
        timestamp_format=options.timestamp_format or _declared_form(schema),
        separator=options.separator or table.separator,
        decimal=options.decimal or table.decimal,
        thousands=options.thousands or table.thousands,
        encoding=options.encoding or (None if table.encoding == "utf-8" else table.encoding),
        skip_lines=table.skip_lines if options.skip_lines is None else options.skip_lines,
        unit_row=table.unit_row if options.unit_row is None else options.unit_row,
        missing=options.missing or table.missing_markers,
    )
    if is_text:
        return declared
    return replace(declared, **{name: getattr(options, name) for name in TEXT_OPTIONS})


def _has_timestamps(table: Table, schema: Schema) -> bool:
    """Whether the column that the schema names has timestamps of Parquet, to be read as such."""
    columns = schema.timestamp_cols
    if len(columns) != 1 or schema.table_format.timestamp_format == INDEX:
        return False
    return pd.api.types.is_datetime64_any_dtype(table.cells[columns[0]])


def _declared_form(schema: Schema) -> str | None:
    """The form of the timestamps; of a composed one only a pattern says how to read it."""
    form = schema.table_format.timestamp_format
    return None if len(schema.timestamp_cols) != 1 and "%" not in form else form


def _read_text(path: Path, option: str) -> str:
    if path.is_dir():
        raise UsageError(f"{option} {path}: is a folder; name a file in it")
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{option} {path}: {getattr(error, 'strerror', 'not UTF-8 text')}"
        ) from None
