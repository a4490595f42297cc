"""Why the page cannot be started."""

from typing import ClassVar

from spline_lstm.core.errors import SplineLstmError


class PageError(SplineLstmError):
    """The page cannot be started as asked."""

    exit_code: ClassVar[int] = 24
    title: ClassVar[str] = "page"
