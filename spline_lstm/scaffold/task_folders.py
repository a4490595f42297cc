"""What differs between the pipelines that `init` writes for a task."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from spline_lstm.core.errors import TooLittleDataError
from spline_lstm.core.params import Params, load_params
from spline_lstm.core.reading import Reading
from spline_lstm.core.row_schema import load_row_schema, parse_row_schema
from spline_lstm.core.schema import Schema, parse_schema
from spline_lstm.core.target_options import TargetOptions
from spline_lstm.market.preprocess import preprocess_bars
from spline_lstm.market.windows import make_direction_windows
from spline_lstm.rows.preprocess import preprocess_rows
from spline_lstm.rows.preprocess_folder import MAX_LINES
from spline_lstm.scaffold.bars import bars_plan
from spline_lstm.scaffold.dvc_text import copied_dvc, render_dvc
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.row_proposal import rows_base, rows_plan
from spline_lstm.scaffold.summary import Plan
from spline_lstm.scaffold.user_files import UserFiles
from spline_lstm.series.features import check_names
from spline_lstm.series.quality import check_span
from spline_lstm.series.table_facts import huge_values
from spline_lstm.tables.contract import raise_violations
from spline_lstm.tables.raw_table import RawTable, read_raw_table
from spline_lstm.tables.row_table import read_row_table
from spline_lstm.tables.sources import read_source
from spline_lstm.trees.packages import absent_trees


class Render(Protocol):
    """Makes a dvc.yaml."""

    def __call__(self, pattern: str, name: str, *, source_file: bool) -> str:
        """The text for pipelines/NAME from that of the pattern.

        `source_file`: the raw table is a file, which the stage ingest then depends on.
        """
        ...


@dataclass(frozen=True)
class TaskFolder:
    """A kind of pipeline.

    Attributes
    ----------
    plan : schema and params for a file: (user's files, content, its name in messages, options)
    pattern : the dvc.yaml that the new one is made from, relative to the root
    render : makes it
    check : reads what was written as the stages do: (folder, name of the table in messages) ->
        what the owner of the data should check
    parse_schema : (text of a schema, its name in messages); raises SchemaError
    editor_schema : JSON schema of the schema, for editors, relative to the root
    base : (root) -> params in which the plan changes what the table decides
    own_options : options of `init` that only some tasks have, and this one does
    """

    plan: Callable[[UserFiles, bytes, str, Options], Plan]
    pattern: str
    render: Render
    check: Callable[[Path, str], tuple[str, ...]]
    parse_schema: Callable[[str, str], object] = parse_schema
    editor_schema: str = "configs/covariates.schema.json"
    base: Callable[[Path], Params] = lambda _root: Params()
    own_options: tuple[str, ...] = ()


def read_folder(folder: Path, where: str) -> tuple[RawTable, Schema, Params]:
    """Table, schema and params of a new folder whose rows have a clock."""
    params = load_params(folder)
    text = (folder / params.data.schema_file).read_text(encoding="utf-8")
    schema = parse_schema(text, f"the proposed schema of {where}")
    check_names(schema, params.preprocess, TargetOptions.of(params))
    content = read_source(params.data.source, folder)
    table = read_raw_table(content, schema, where=where, reading=Reading.of(params.data))
    return table, schema, params


def check_series(folder: Path, where: str) -> tuple[str, ...]:
    """Nothing; raises DataContractError also for timestamps too far apart and values too large."""
    table, _, params = read_folder(folder, where)
    if len(table.timestamps):
        check_span(int(table.timestamps.min()), int(table.timestamps.max()), where)
    # No params help against such a value, so the folder would end in its first run.
    raise_violations(huge_values(table, params.clock), where, {})
    return ()


def check_days(folder: Path, where: str) -> tuple[str, ...]:
    """Preprocess the bars; what is odd about them, errors as in `preprocess_bars`."""
    table, schema, params = read_folder(folder, where)
    found = preprocess_bars(table, schema, params, where=where)
    absent = absent_trees(params.trees.members)
    try:
        make_direction_windows(found.arrays, found.preprocessor, params)
    except TooLittleDataError as error:
        # The user may set other splits before the first run.
        return (*absent, *found.quality["warnings"], str(error))
    return (*absent, *found.quality["warnings"])


def check_rows(folder: Path, where: str) -> tuple[str, ...]:
    """Preprocess the rows; what is odd about them, errors as in `preprocess_rows`."""
    params = load_params(folder)
    schema = load_row_schema(folder / params.data.schema_file)
    table = read_row_table(read_source(params.data.source, folder), schema, where=where)
    found = preprocess_rows(table, schema, params.tabular, where=where).quality
    findings = (*found["refused"], *found["warnings"])
    # What the schema does not name is among the decisions.
    texts = [item["text"] for item in findings if item["rule"] != "unknown_column"]
    more = [f"{len(texts) - MAX_LINES} more, in metrics/data.json of the stage preprocess"]
    absent = absent_trees(params.trees.members)
    return (*absent, *texts[:MAX_LINES], *(more if len(texts) > MAX_LINES else ()))


# Options of `init` for tables whose rows have a clock and may be of several series.
CLOCK_OPTIONS = (
    "timestamp",
    "series",
    "duplicates",
    "frequency",
    "time_zone",
    "ambiguous_hour",
    "holidays",
    "week_mask",
    "timestamp_format",
)
TASK_FOLDERS: Mapping[str, TaskFolder] = MappingProxyType(
    {
        "forecast": TaskFolder(
            UserFiles.complete,
            "dvc.yaml",
            render_dvc,
            check_series,
            own_options=(*CLOCK_OPTIONS, "target", "layout", "max_missing", "tune"),
        ),
        "direction": TaskFolder(
            bars_plan,
            "pipelines/direction/dvc.yaml",
            copied_dvc,
            check_days,
            own_options=(*CLOCK_OPTIONS, "column"),
        ),
        "tabular": TaskFolder(
            rows_plan,
            "pipelines/tabular/dvc.yaml",
            copied_dvc,
            check_rows,
            parse_row_schema,
            "configs/rows.schema.json",
            rows_base,
            own_options=("target", "kind"),
        ),
    }
)
