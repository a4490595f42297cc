"""TensorFlow and its converter, imported late, on the CPU and without log lines.

The import takes ten seconds; only the export needs it, of a model whose files are not recorded
(`recorder`), and only after it has checked its inputs.
"""

import logging
import os
import sys
import warnings
from typing import Any

from spline_lstm.core.garbage import importing

ENVIRONMENT = {
    # Errors only: users of a stage do not need the start-up lines about the processor.
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # oneDNN sums in an order that depends on the machine; constants folded here become file bytes.
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "CUDA_VISIBLE_DEVICES": "-1",
    # Keeps TensorFlow from importing Keras 3, which nothing here uses: 4 to 8 CPU-seconds, 170 MB.
    "TF_USE_LEGACY_KERAS": "1",
    # Without it tf2onnx copies the graph before each of 40 optimizers, to go on without one that
    # fails, which takes half of the conversion; here a failure is an error.
    "TF2ONNX_CATCH_ERRORS": "FALSE",
}


def load_tensorflow() -> Any:
    """The module ``tensorflow``."""
    os.environ.update(ENVIRONMENT)
    if "tensorflow" in sys.modules:
        return sys.modules["tensorflow"]
    with importing(), warnings.catch_warnings():
        # TensorFlow's own modules warn their developers on import.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        import tensorflow  # noqa: PLC0415
    return tensorflow


def load_tf2onnx() -> Any:
    """The module ``tf2onnx``; it logs errors only."""
    load_tensorflow()
    import tf2onnx  # noqa: PLC0415

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    return tf2onnx
