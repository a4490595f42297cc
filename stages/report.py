"""Stage report: what the other stages measured, as Markdown for people."""

from pathlib import Path

import pandas as pd

from spline_lstm.artifacts import read_arrays, read_json, write_text
from spline_lstm.evaluation.records import from_records
from spline_lstm.evaluation.report import Report, render, warnings_of
from spline_lstm.params import load_params
from spline_lstm.stage import run_stage

SPLITS = ("train", "validation", "test")
MODEL_FACTS = ("model_type", "hidden", "dropout", "normalization", "n_params")
PICTURES = {
    "Forecasts": "forecast.png",
    "Error by step": "horizon.png",
    "Residuals": "residuals.png",
    "Training": "training.png",
}


def main(folder: Path) -> str:
    """Write plots/report.md."""
    params = load_params(folder)
    model = read_json(folder / "models/rnn/model.json")
    train, quality = read_json(folder / "metrics/train.json"), read_json(folder / "metrics/data.json")
    split = read_arrays(folder / "data/processed/windows.npz")["split"]
    by_step = pd.read_csv(folder / "plots/horizon.csv").set_index("step")
    rows = f"rows of {params.preprocess.frequency}"
    report = Report(
        title=f"Forecast of {', '.join(model['targets'])}",
        forecast={
            "targets": model["targets"],
            "features": model["features"],
            "lookback": f"{model['lookback']} {rows}",
            "horizon": f"{model['horizon']} {rows}",
            **{f"{name} windows": int((split == index).sum()) for index, name in enumerate(SPLITS)},
        },
        scores=from_records(read_json(folder / "metrics/evaluate.json")),
        step_rmse={str(name): column.to_numpy() for name, column in by_step.items()},
        train=train,
        data_quality={label: value for label, value in quality.items() if not isinstance(value, list)},
        provenance={
            "model run id": model["run_id"],
            "preprocessor run id": model["preprocessor_run_id"],
            **{name: model[name] for name in MODEL_FACTS},
            "seed": train["seed"],
        },
        plots=PICTURES,
    )
    write_text(folder / "plots/report.md", render(report))
    warnings = warnings_of(report.scores, report.train)
    return f"plots/report.md, {len(warnings)} warnings" + "".join(f"\nWARNING: {text}" for text in warnings)


if __name__ == "__main__":
    run_stage("report", main)
