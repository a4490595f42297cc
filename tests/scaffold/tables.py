"""Small tables for the tests of `init`, and what it proposes for them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.errors import UsageError
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.propose import propose
from spline_lstm.scaffold.read_table import read_table
from spline_lstm.scaffold.summary import decisions, questions

SECOND = 10**9


HOURS = pd.date_range("2024-01-01", periods=400, freq="h")


WAVE = 10 + 3 * np.sin(np.arange(400) * 2 * np.pi / 24)


def csv_of(timestamps=None, separator=",", decimal=".", form="%Y-%m-%d %H:%M", **columns) -> bytes:
    """A table with column `time` and `columns`; by default 400 hours."""
    timestamps = HOURS if timestamps is None else timestamps
    frame = pd.DataFrame({"time": timestamps.strftime(form), **(columns or {"y": WAVE})})
    return frame.to_csv(index=False, sep=separator, decimal=decimal, float_format="%.4f").encode()


def look(content: bytes, **options):
    said = Options(**options)
    return propose(read_table(content, "file.csv", said), "file.csv", said)


def refused(content: bytes, **options) -> str:
    """The message of the UsageError."""
    with pytest.raises(UsageError) as caught:
        look(content, **options)
    return str(caught.value)


def mutate_text(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def decided(content: bytes, **options) -> dict[str, str]:
    """What `init` says that it decided."""
    return decisions(look(content, **options))


def asked(content: bytes, **options) -> str:
    """What `init` says that the owner should check."""
    return "\n".join(questions(look(content, **options)))
