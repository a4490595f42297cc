import os
import subprocess
import sys

import pytest

from tests.builders import ROOT

CODE = """
import sys, {module}
assert "numpy" not in sys.modules, "too late"
import os; print(os.environ["OPENBLAS_NUM_THREADS"])
"""


@pytest.mark.parametrize(("given", "threads"), [({}, "1"), ({"OPENBLAS_NUM_THREADS": "3"}, "3")])
def test_stages_have_one_thread_for_matrices_unless_told_otherwise(given, threads):
    surroundings = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    command = [sys.executable, "-c", CODE.format(module="stages")]
    done = subprocess.run(
        command, cwd=ROOT, env=surroundings | given, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == threads
