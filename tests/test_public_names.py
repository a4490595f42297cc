import subprocess
import sys

import numpy as np

import spline_lstm


def test_metrics_can_be_called_by_their_public_name():
    assert spline_lstm.metrics.mae([1.0, 2.0], [2.0, 4.0]) == 1.5
    assert np.isclose(
        spline_lstm.metrics.rmse([1, 2, 3, 4], [1.2, 1.8, 2.7, 4.1]), 0.2121, atol=5e-5
    )


def test_every_public_name_is_there():
    assert {"load_windows", "load_model", "metrics", "Windows", "Batch", "SavedModel"} <= set(
        dir(spline_lstm)
    )
    assert all(hasattr(spline_lstm, name) for name in dir(spline_lstm))


def test_importing_the_package_loads_neither_jax_nor_tensorflow():
    code = (
        "import sys, spline_lstm, spline_lstm.windows.windows; "
        "print(sorted({'jax', 'tensorflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
