"""What `init` would make of a file, without writing anything."""

import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.errors import SplineLstmError
from spline_lstm.page.proposals import proposal_of


def table() -> pd.DataFrame:
    times = pd.date_range("2024-01-01", periods=400, freq="h")
    return pd.DataFrame({"time": times, "load": np.round(np.sin(np.arange(400) / 4), 3)})


def test_decisions_settings_and_the_command_are_those_of_init(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    view = proposal_of(table().to_csv(index=False).encode(), "my table.csv")
    decided = dict(zip(view.decisions["what"], view.decisions["decision"], strict=True))
    assert decided["targets"] == "'load'"
    assert decided["clock"].startswith("1h")
    settings = dict(zip(view.settings["key"], view.settings["value"], strict=True))
    assert settings["preprocess.frequency"] == "1h"
    assert view.command == "python -m spline_lstm init NAME --csv 'my table.csv'"
    assert list(tmp_path.iterdir()) == []


def test_parquet_is_read_too(tmp_path):
    table().to_parquet(tmp_path / "x.parquet")
    view = proposal_of((tmp_path / "x.parquet").read_bytes(), "x.parquet")
    assert "Parquet" in view.decisions["decision"].iloc[0]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"a,b\n1,2\n", b"x" * 1000])
def test_what_is_no_table_is_one_line(content):
    with pytest.raises(SplineLstmError, match=r"some\.csv"):
        proposal_of(content, "some.csv")


def test_columns_that_are_named_are_used_and_part_of_the_command():
    rows = table().assign(heat=np.arange(400) % 7, site="a b")
    view = proposal_of(rows.to_csv(index=False).encode(), "x.csv", ("heat",), "site")
    decided = dict(zip(view.decisions["what"], view.decisions["decision"], strict=True))
    assert decided["targets"] == "'heat'"
    assert view.command.endswith("--csv x.csv --target heat --series site")
