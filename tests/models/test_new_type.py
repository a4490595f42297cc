"""A new type of network is an entry and a module: everything else takes it as it is."""

import json
from types import SimpleNamespace

import pytest

from spline_lstm.core.errors import ExportError
from spline_lstm.core.parallel import ENGINES
from spline_lstm.core.yaml_files import render_params
from spline_lstm.experiments import plots
from spline_lstm.models.saved_model import load_model
from spline_lstm.models.types import MODEL_TYPES
from spline_lstm.tuning.catalog import load_catalog
from spline_lstm.tuning.space import cost
from stages import backtest, evaluate, export, ingest, preprocess, train_flax_rnn, window
from tests.builders import ROOT
from tests.experiments.examples import make_record
from tests.models.toy import ENTRY
from tests.small_pipeline import SCHEMA, VALUES, table

# Of a run, no test here looks at the pictures.
pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small pipeline with the type toy, from ingest to backtest."""
    path = tmp_path_factory.mktemp("toy")
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    values = VALUES | {"model.type": "toy", "backtest.folds": 2, "compare.models": ["toy", "lstm"]}
    (path / "params.yaml").write_text(render_params(text, values), encoding="utf-8")
    (path / "schema.json").write_text(SCHEMA, encoding="utf-8")
    (path / "table.csv").write_text(table(), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(MODEL_TYPES, "toy", ENTRY)
        # The processes of the backtest would not know the entry.
        patched.setitem(ENGINES, "local", ("tests.in_process", "in_process"))
        for stage in (ingest, preprocess, window, train_flax_rnn, evaluate, backtest):
            stage.main(path)
        yield path


def metrics(folder, name):
    return json.loads((folder / "metrics" / f"{name}.json").read_text())


def test_stages_train_evaluate_and_backtest_it(folder):
    assert metrics(folder, "train")["model_type"] == "toy"
    assert load_model(folder).weights.keys() == {"kernel"}
    assert metrics(folder, "evaluate")["rmse"] > 0
    assert len(metrics(folder, "backtest")["folds"]) == 2


def test_tuning_has_ranges_and_a_cost_for_it(folder):
    assert load_catalog(ROOT).entry("toy") == load_catalog(ROOT).every_type
    assert cost(load_model(folder).config) == 0


def test_the_comparison_draws_it_in_its_colour(folder):
    cell = SimpleNamespace(records=[make_record("toy")])
    assert plots._colour(cell) == ENTRY.colour


def test_export_ends_with_17_and_names_it(folder):
    with pytest.raises(
        ExportError, match=r"model\.type toy has no exported form; use one of lstm, gru"
    ) as error:
        export.main(folder)
    assert error.value.exit_code == 17
