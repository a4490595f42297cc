"""What the fork server imports for each stage, and when."""

from spline_lstm.tasks.forecast import FORECAST

DRAWING = (
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "matplotlib.style",
)
TRAINING = ("safetensors.numpy", "jax.numpy", "flax.nnx", "optax")
# Module -> what takes long of that which it imports; "": what all stages need. A stage imports the
# rest of what it uses itself.
LIBRARIES: dict[str, tuple[str, ...]] = {
    "": (
        "numpy",
        "pandas",
        "pydantic.json_schema",
        "pydantic.main",
        "pydantic.types",
        "ruamel.yaml",
        "holidays",
        "jaxtyping",
        "lazy_loader",
        "tqdm",
    ),
    "stages.ingest": ("pyarrow.csv", "pyarrow.parquet"),
    "stages.preprocess": DRAWING,
    "stages.window": (),
    "stages.train_flax_rnn": TRAINING,
    "stages.evaluate": ("pyarrow.csv", "pyarrow.parquet", *TRAINING),
    "stages.export": (
        "safetensors.numpy",
        "onnx",
        "onnxruntime",
        "ai_edge_litert.interpreter",
        "flatbuffers",
    ),
    "stages.benchmark": ("onnxruntime", "ai_edge_litert.interpreter"),
    "stages.backtest": ("pyarrow.csv", *TRAINING),
    "stages.report": ("jinja2", *DRAWING),
}
# Stage -> stages whose libraries are imported while it runs; "" as a stage: while DVC starts. The
# training has all cores busy, the evaluation has not.
AHEAD: dict[str, tuple[str, ...]] = {
    "": ("", "stages.ingest"),
    "stages.ingest": ("stages.preprocess",),
    "stages.preprocess": ("stages.window", "stages.train_flax_rnn"),
    "stages.train_flax_rnn": ("stages.evaluate",),
    "stages.evaluate": ("stages.export", "stages.report"),
}
# Stage -> what it loads of a task.
PARTS = {
    "stages.ingest": ("ingest",),
    "stages.preprocess": ("preprocess",),
    "stages.window": ("windows",),
    "stages.train_flax_rnn": ("preprocessor", "load_windows", "config", "loss"),
    "stages.evaluate": ("load_windows", "scores", "golden", "tables", "verdict"),
    "stages.export": ("spec", "more_files"),
    "stages.backtest": ("backtest",),
    "stages.report": ("report",),
}


def with_code() -> dict[str, tuple[str, ...]]:
    """The libraries of each stage, then the code of its own that it always imports.

    Of parts that depend on the task, those of forecasts; other tasks import theirs themselves.
    """
    modules = {
        stage: [getattr(FORECAST, part).partition(":")[0] for part in PARTS.get(stage, ())]
        for stage in LIBRARIES
    }
    return {
        stage: (*names, *([stage] if stage else []), *modules[stage])
        for stage, names in LIBRARIES.items()
    }
