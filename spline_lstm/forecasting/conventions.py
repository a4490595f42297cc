"""What scikit-learn asks of an estimator beyond its methods, without loading scikit-learn where nobody uses it."""

import functools
import sys
from typing import TYPE_CHECKING

from spline_lstm.errors import UsageError

if TYPE_CHECKING:
    from sklearn.utils import Tags


def not_fitted(message: str) -> UsageError:
    """An error of usage; where scikit-learn is loaded it is a `sklearn.exceptions.NotFittedError` as well.

    Who catches that one has loaded it.
    """
    return _error_class("sklearn.exceptions" in sys.modules)(message)


@functools.cache
def _error_class(loaded: bool) -> type[UsageError]:
    if not loaded:
        return UsageError
    theirs = sys.modules["sklearn.exceptions"].NotFittedError
    return type("NotFittedError", (UsageError, theirs), {"__doc__": "A Forecaster is not fitted."})


def tags() -> "Tags":
    """Tags of a forecaster: it takes a frame of any columns with missing cells, needs `fit`, and no `y`."""
    # scikit-learn is loaded already: nobody else asks for tags.
    from sklearn.utils import InputTags, Tags, TargetTags  # noqa: PLC0415

    return Tags(
        estimator_type=None,
        target_tags=TargetTags(required=False),
        input_tags=InputTags(two_d_array=False, string=True, categorical=True, allow_nan=True),
    )
