"""A small panel of invented bars, preprocessed."""

import pandas as pd
import pytest

from spline_lstm.market.preprocess import preprocess_bars
from spline_lstm.market.windows import make_direction_windows
from tests.market.builders import direction_params, direction_schema, make_frame, read


@pytest.fixture(scope="session")
def frame():
    """Three symbols; the last one is listed later, and all end on the same day."""
    whole = [make_frame(days=700, seed=seed, symbol=name) for seed, name in enumerate("AB")]
    late = make_frame(days=700, seed=9, symbol="C").iloc[200:]
    return pd.concat([*whole, late], ignore_index=True)


@pytest.fixture(scope="session")
def params():
    """Of the task, for columns as the builders name them."""
    return direction_params()


@pytest.fixture(scope="session")
def preprocessed(frame, params):
    """What the stage preprocess makes of the panel."""
    return preprocess_bars(read(frame), direction_schema(), params, where="test")


@pytest.fixture(scope="session")
def windows(preprocessed, params):
    """The windows of the panel."""
    return make_direction_windows(preprocessed.arrays, preprocessed.preprocessor, params)
