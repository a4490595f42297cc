"""The code of docs/edge-gate.md, run unchanged."""

import re
import subprocess
import sys

import numpy as np
import pytest

from tests.export.oracle import ROOT, forward_all, make_inputs, make_option

PAGE = (ROOT / "docs/edge-gate.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
RUNTIMES = {"onnxruntime": ".onnx", "ai_edge_litert": ".tflite"}


@pytest.mark.parametrize("name", ["covariates", "only quantiles"])
@pytest.mark.parametrize(("runtime", "suffix"), RUNTIMES.items())
def test_snippet_answers_with_its_runtime_alone(exported, tmp_path, runtime, suffix, name):
    (snippet,) = (code for code in SNIPPETS if runtime in code)
    (tmp_path / "models/edge").mkdir(parents=True)
    (tmp_path / f"models/edge/model{suffix}").write_bytes(exported(suffix, name).content)
    spec = make_option(name)
    inputs = make_inputs(spec, 4)
    np.savez(tmp_path / "inputs.npz", **inputs)
    code = (
        "import sys, numpy as np\ninputs = dict(np.load('inputs.npz'))\n"
        f"{snippet}\nnp.savez('outputs.npz', **outputs)\n"
        "assert not {'spline_lstm', 'tensorflow', 'jax', 'onnx'} & set(sys.modules)\n"
        "print(sorted(metadata['inputs']))"
    )
    # Away from the repository, so that the package cannot be imported by chance.
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout.strip() == str(sorted(inputs))
    with np.load(tmp_path / "outputs.npz") as outputs:
        for key, expected in forward_all(spec, **inputs).items():
            scale = spec.target_scale if expected.ndim == 3 else spec.target_scale[:, None]
            np.testing.assert_allclose(outputs[key] / scale, expected / scale, atol=1e-5)


def test_every_check_of_the_gate_is_described():
    for name in ("loads", "parity", "accuracy", "repeats", "latency", "size"):
        assert f"| {name} |" in PAGE


def test_page_has_one_snippet_per_runtime():
    assert len(SNIPPETS) == len(RUNTIMES)
