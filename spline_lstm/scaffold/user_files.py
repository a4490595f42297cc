"""What the user brings to `init`: options on the command line, an overlay of params, a schema."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from spline_lstm.core.errors import UsageError
from spline_lstm.core.params import parse_overlay
from spline_lstm.core.schema import Schema, parse_schema
from spline_lstm.scaffold.column_roles import Options
from spline_lstm.scaffold.propose import Proposal, propose
from spline_lstm.tables.contract import check_header
from spline_lstm.tables.csv_text import plain_lines, read_header


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
    def read(cls, params: Path | None, schema: Path | None) -> "UserFiles":
        """Read the files and check what can be checked without the table.

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
            decisions = {"params": f"{len(overlay)} keys as in {params}"}
            found = cls(overlay, None, str(params), decisions)
        if schema is not None:
            text = _read_text(schema, "--schema")
            parse_schema(text, str(schema))
            decisions = {**found.decisions, "schema": f"as in {schema}"}
            found = replace(found, schema=text, decisions=decisions)
        return found

    def complete(self, content: bytes, where: str, options: Options) -> Proposal:
        """What the table proposes, with the values of the overlay.

        Raises
        ------
        UsageError, DataContractError, MissingCovariateError
            The table leaves something open, or does not fit the schema.
        """
        if self.schema is not None:
            schema = parse_schema(self.schema, where)
            header = read_header(plain_lines(content, where), schema.table_format)
            check_header(header, schema, where)
            options = options_of(schema, options)
        frequency = self.overlay.get("preprocess.frequency")
        if options.frequency is not None and frequency not in (None, options.frequency):
            raise UsageError(
                f"--frequency {options.frequency}, but {self.params_file} has "
                f"preprocess.frequency: {frequency}; leave one of them out"
            )
        if isinstance(frequency, str):
            options = replace(options, frequency=frequency)
        proposal = propose(content, where, options, self.overlay)
        return replace(proposal, decisions={**proposal.decisions, **self.decisions})


NO_FILES = UserFiles()


def options_of(schema: Schema, options: Options) -> Options:
    """The options, with what a schema declares in place of what they leave open."""
    table = schema.table_format
    return replace(
        options,
        timestamp=schema.timestamp_col,
        targets=schema.target_cols,
        series=schema.series_col,
        timestamp_format=options.timestamp_format or table.timestamp_format,
        separator=options.separator or table.separator,
        decimal=options.decimal or table.decimal,
        missing=options.missing or table.missing_markers,
    )


def _read_text(path: Path, option: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{option} {path}: {getattr(error, 'strerror', 'not UTF-8 text')}"
        ) from None
