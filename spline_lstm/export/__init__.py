"""Trained forecasters as files for other runtimes: ONNX, TFLite, and the gate they must pass."""
