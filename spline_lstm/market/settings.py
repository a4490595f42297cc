"""Settings that do not go with the task direction."""

from collections.abc import Mapping

from spline_lstm.core.errors import ParamsError
from spline_lstm.core.formatting import listed


def refuse(changes: Mapping[str, bool]) -> None:
    """Raise ParamsError that asks for each change that is needed."""
    wrong = [change for change, is_needed in changes.items() if is_needed]
    if wrong:
        raise ParamsError(f"the task direction needs other settings: set {listed(wrong)}")
