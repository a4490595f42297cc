"""`init --task direction`: the columns of daily bars by their names, and what is asked."""

import pandas as pd
import pytest
from ruamel.yaml import YAML

from spline_lstm.core.errors import DataContractError, UsageError
from spline_lstm.core.params import load_params
from spline_lstm.core.section import flattened
from spline_lstm.scaffold.bars import OF_DATA, VALUES, roles_of
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.write_folder import scaffold
from stages import ingest, preprocess, window
from tests.builders import ROOT
from tests.market.builders import make_frame

BARS = ["Date", "Open", "High", "Low", "Close", "Volume"]


@pytest.fixture
def root(tmp_path):
    """What `init` needs of the repository."""
    for name in ("params.yaml", "dvc.yaml", "stages"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "pipelines/direction").mkdir(parents=True)
    pattern = ROOT / "pipelines/direction/dvc.yaml"
    (tmp_path / "pipelines/direction/dvc.yaml").symlink_to(pattern)
    return tmp_path


def init(root, frame, **options):
    path = root / "bars.csv"
    frame.to_csv(path, index=False)
    return scaffold("mine", path, Options(**options), root, task="direction")


def one_symbol():
    return make_frame(days=700, seed=1)


def test_a_panel_of_bars_runs_through_the_stages_of_its_data(root):
    frame = pd.concat([one_symbol(), make_frame(days=700, seed=2, symbol="B")])
    told = init(root, frame.rename(columns={"adj_close": "Adj Close", "close": "Close"}))
    assert "2 of column 'symbol': A, B" in told
    folder = root / "pipelines/mine"
    params = load_params(folder)
    assert params.task == "direction"
    assert params.direction.columns.close == "Close"
    assert params.direction.columns.adjusted_close == "Adj Close"
    lines = [stage.main(folder) for stage in (ingest, preprocess, window)]
    assert "2 symbols" in lines[1]
    assert "of the training labels are 1" in lines[2]


def test_dvc_yaml_is_that_of_the_pipeline_of_the_repository_with_the_users_file(root):
    init(root, one_symbol().drop(columns=["symbol", "adj_close"]))
    texts = [
        (root / f"pipelines/{name}/dvc.yaml").read_text().replace(f"pipelines/{name}", "FOLDER")
        for name in ("mine", "direction")
    ]
    made, pattern = (YAML(typ="safe").load(text)["stages"] for text in texts)
    assert made["ingest"]["deps"].pop(-1) == "FOLDER/${data.source}"
    assert made == pattern
    assert "/models/edge" in (root / "pipelines/mine/.gitignore").read_text().splitlines()


def test_one_symbol_without_an_adjusted_close_is_told_what_that_means(root):
    told = init(root, one_symbol().drop(columns=["symbol", "adj_close"]))
    assert "one (no column of symbols)" in told
    assert "splits and dividends in the close look like moves" in told
    assert load_params(root / "pipelines/mine").direction.columns.adjusted_close is None


def test_every_column_that_is_missing_is_named_at_once():
    message = (
        r"no column of the low \(low, .*--column low=NAME; "
        r"no column of the volume \(volume, .*--column volume=NAME"
    )
    with pytest.raises(UsageError, match=message):
        roles_of(["Date", "Open", "High", "Close"], {}, "bars.csv")


def test_a_role_that_two_columns_fit_is_asked_for():
    with pytest.raises(UsageError, match="'Close', 'last' may each be the close; say which"):
        roles_of([*BARS, "last"], {}, "bars.csv")
    assert roles_of([*BARS, "last"], {"close": "last"}, "bars.csv")["close"] == "last"
    with pytest.raises(UsageError, match="no column of --column low=Bottom"):
        roles_of(BARS, {"low": "Bottom"}, "bars.csv")


def weekly(frame):
    return frame.assign(date=pd.date_range("2009-01-02", periods=len(frame), freq="W-FRI"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (weekly, "bars are 7 days apart: what is called a day here is a bar"),
        (lambda frame: frame.assign(volume=0), "the volume is 0 on 100 % of the days"),
        (
            lambda frame: frame.assign(adj_close=frame["adj_close"].where(frame.index < 300, 1.0)),
            "closes that move by more than 40 % in a day: A 2016-",
        ),
        (lambda frame: frame[:300], "of its 45 days a window needs 79 to look back on"),
    ],
)
def test_init_says_what_is_odd_about_bars(root, change, said):
    assert said in init(root, change(one_symbol())).partition("Check:")[2]


def test_numbers_before_the_names_of_columns_do_not_matter():
    roles = roles_of(["timestamp", *(f"{n}. {name}" for n, name in enumerate(BARS[1:]))], {}, "x")
    assert roles["close"] == "3. Close"


def test_impossible_prices_are_refused_and_nothing_is_written(root):
    frame = one_symbol()
    frame.loc[3, "low"] = 1e9
    with pytest.raises(DataContractError, match="the low must not be above the high"):
        init(root, frame)
    assert not (root / "pipelines/mine").exists()


def test_a_new_pipeline_has_the_settings_of_the_shipped_one():
    shipped = flattened(load_params(ROOT / "pipelines/direction").model_dump(mode="json"))
    assert {key: shipped[key] for key in VALUES} == dict(VALUES)
    assert not set(VALUES) & set(OF_DATA)
