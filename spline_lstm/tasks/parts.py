"""The tasks by name, and the parts of the task that the params name.

`core.params` accepts any name in `task`, because it cannot import from here; unknown ones are
refused as soon as something uses them: when a stage loads a part, and in the commands check and
compare.
"""

from collections.abc import Callable
from typing import Any

from spline_lstm.core.params import Params
from spline_lstm.core.params_errors import check_name
from spline_lstm.tasks.direction import DIRECTION
from spline_lstm.tasks.event import EVENT
from spline_lstm.tasks.forecast import FORECAST
from spline_lstm.tasks.tabular import TABULAR
from spline_lstm.tasks.task import Task

TASKS: dict[str, Task] = {"forecast": FORECAST, "direction": DIRECTION, "tabular": TABULAR}
# Task and loss -> the task, where the loss decides what is forecast: a probability has other scores
# than a value.
OF_LOSS: dict[tuple[str, str], Task] = {("forecast", "bce"): EVENT}


def task_of(params: Params) -> Task:
    """The task that `params` name.

    Raises
    ------
    ParamsError
        The task is unknown; the message names the allowed ones.
    """
    check_name("task", params.task, TASKS)
    return OF_LOSS.get((params.task, params.train.loss), TASKS[params.task])


def load_part(params: Params, part: str) -> Callable[..., Any]:
    """Import the function that is a part of the task; `part` is a field of `Task`, as a literal.

    Calls of this function are imports: `tools.import_closure` reads them.

    Raises
    ------
    ParamsError
        The task is unknown.
    """
    return task_of(params).load(part)
