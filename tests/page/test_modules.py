"""What the page loads: neither JAX nor TensorFlow, nor anything that trains."""

import subprocess
import sys

from tests.builders import ROOT

# Everything that the tabs call, on a folder with all files.
CODE = """
import sys
from pathlib import Path
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.page import run, shell
from spline_lstm.page.backtest import backtest_view
from spline_lstm.page.charts import forecast_chart
from spline_lstm.page.comparison import comparison_view
from spline_lstm.page.forecasts import Choice, stored_forecasts, view_of
from spline_lstm.page.models import models_frame
from spline_lstm.page.predictions import Query, read_stored, table_of
from spline_lstm.page.proposals import proposal_of
from spline_lstm.page.quality import quality_view
from spline_lstm.page.sources import Source
from spline_lstm.page.try_row import cells_of, try_row
from spline_lstm.store.registry import Registry

source = Source(Path(sys.argv[1]))
pipeline, clock = source.pipeline, source.params.clock
stored = stored_forecasts(pipeline)
choice = Choice("a", "y", int(stored.origins("a", "y")[0]))
forecast_chart(view_of(pipeline, stored, choice, clock), "y").to_dict()
rows = read_stored(source.store.predictions, Query("2020-01-01", "2020-01-02"))
assert len(table_of(rows, clock))
registry = Registry(source.store.registry)
assert len(models_frame(registry.models()))
registry.promote("model", "2026-01-01")
assert comparison_view(pipeline) and backtest_view(pipeline)
assert quality_view(pipeline, source.params.preprocess.drift.model_dump())
proposal_of((pipeline.folder / "table.csv").read_bytes(), "table.csv", ("y",))
rows = Pipeline(Path(sys.argv[2]))
assert len(try_row(rows, {cell.name: cell.ordinary for cell in cells_of(rows)}).predicted)
roots = {name.split(".")[0] for name in sys.modules}
print(sorted(roots & {"jax", "jaxlib", "flax", "optax", "tensorflow", "ai_edge_litert"}))
print([name for name in sys.modules if name.startswith("spline_lstm.training")])
"""


def test_no_tab_loads_jax_or_tensorflow_or_what_trains(copied, rows_folder):
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(copied), str(rows_folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.stdout.splitlines() == ["[]", "[]"], done.stderr
