"""What differs between the pipelines that `init` writes for a task."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from spline_lstm.core.errors import TooLittleDataError
from spline_lstm.core.params import Params
from spline_lstm.core.schema import Schema
from spline_lstm.market.preprocess import preprocess_bars
from spline_lstm.market.windows import make_direction_windows
from spline_lstm.scaffold.bars import bars_plan
from spline_lstm.scaffold.dvc_text import copied_dvc, render_dvc
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.summary import Plan
from spline_lstm.scaffold.user_files import UserFiles
from spline_lstm.tables.raw_table import RawTable


@dataclass(frozen=True)
class TaskFolder:
    """A kind of pipeline.

    Attributes
    ----------
    plan : schema and params for a file: (user's files, content, its name in messages, options)
    pattern : the dvc.yaml that the new one is made from, relative to the root
    render : makes it: (text of the pattern, name of the pipeline)
    check : (table, schema, params, its name in messages) -> what the owner of the data should
        check; raises an error of the data contract beyond what reading a table finds
    """

    plan: Callable[[UserFiles, bytes, str, Options], Plan]
    pattern: str
    render: Callable[[str, str], str]
    check: Callable[[RawTable, Schema, Params, str], tuple[str, ...]] = lambda *_: ()


def check_days(table: RawTable, schema: Schema, params: Params, where: str) -> tuple[str, ...]:
    """Preprocess the bars; what is odd about them, errors as in `preprocess_bars`."""
    found = preprocess_bars(table, schema, params, where=where)
    try:
        make_direction_windows(found.arrays, found.preprocessor, params)
    except TooLittleDataError as error:
        # The user may set other splits before the first run.
        return (*found.quality["warnings"], str(error))
    return tuple(found.quality["warnings"])


TASK_FOLDERS: Mapping[str, TaskFolder] = MappingProxyType(
    {
        "forecast": TaskFolder(UserFiles.complete, "dvc.yaml", render_dvc),
        "direction": TaskFolder(bars_plan, "pipelines/direction/dvc.yaml", copied_dvc, check_days),
    }
)
