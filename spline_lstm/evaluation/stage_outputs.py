"""What the other stages wrote into a pipeline folder, read for the report."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from spline_lstm.core.artifacts import read_json
from spline_lstm.core.clock import Clock
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.time_zones import UTC
from spline_lstm.evaluation.scores import from_records

# The sections that decide the forecasts, and the packages that decide their bits.
SECTIONS = {"data", "preprocess", "window", "model", "train", "evaluate"}
PACKAGES = ("numpy", "scipy", "pandas", "jax", "flax", "optax")


@dataclass(frozen=True)
class RunOutputs:
    """What the stages of every task write.

    Attributes
    ----------
    model : content of models/rnn/model.json
    scores : content of metrics/evaluate.json, details as mappings (`scores.from_records`)
    train, quality, ingest : contents of metrics/train.json, data.json and ingest.json
    backtest : content of metrics/backtest.json; empty if the stage was not run
    curve : plots/training.csv
    params : params.yaml, section -> key -> value
    clock : Clock
        Of the pipeline, not bound to data.
    versions : package -> version
    """

    model: Mapping[str, Any]
    scores: Mapping[str, Any]
    train: Mapping[str, Any]
    quality: Mapping[str, Any]
    ingest: Mapping[str, Any]
    backtest: Mapping[str, Any]
    curve: pd.DataFrame
    params: Mapping[str, Mapping[str, Any]]
    clock: Clock
    versions: Mapping[str, str]

    @property
    def zone(self) -> str:
        """Time zone in which timestamps are given."""
        return self.clock.zone or UTC


@dataclass(frozen=True)
class StageOutputs(RunOutputs):
    """What the other stages wrote of forecasts.

    Attributes
    ----------
    course, missing : plots/course.csv, missing.csv
    by_step, by_hour, forecasts, residuals, residual_steps
        plots/horizon.csv, hours.csv, forecast.csv, residuals.csv, residual_steps.csv
    """

    course: pd.DataFrame
    missing: pd.DataFrame
    by_step: pd.DataFrame
    by_hour: pd.DataFrame
    forecasts: pd.DataFrame
    residuals: pd.DataFrame
    residual_steps: pd.DataFrame


def read_run(
    folder: Path, sections: Set[str] = SECTIONS, packages: Sequence[str] = PACKAGES
) -> RunOutputs:
    """What the stages of every task wrote into a folder.

    Parameters
    ----------
    folder : Path
    sections : set of str
        Of params.yaml, those that decide the results.
    packages : sequence of str
        Those that decide the bits.
    """
    pipeline, params = Pipeline(folder), load_params(folder)
    return RunOutputs(
        model=read_json(pipeline.model),
        scores=from_records(read_json(pipeline.metrics("evaluate"))),
        train=read_json(pipeline.metrics("train")),
        quality=read_json(pipeline.metrics("data")),
        ingest=read_json(pipeline.metrics("ingest")),
        backtest=_read_if_made(pipeline.metrics("backtest")),
        curve=pd.read_csv(pipeline.plots / "training.csv"),
        params=params.model_dump(mode="json", include={*sections}),
        clock=params.clock,
        versions={name: version(name) for name in packages},
    )


def read_outputs(folder: Path) -> StageOutputs:
    """What the other stages wrote of forecasts into a folder."""
    plots, run = Pipeline(folder).plots, read_run(folder)
    return StageOutputs(
        **{each.name: getattr(run, each.name) for each in fields(run)},
        course=pd.read_csv(plots / "course.csv", dtype={"series": str, "target": str}),
        missing=pd.read_csv(plots / "missing.csv", dtype={"column": str}),
        by_step=pd.read_csv(plots / "horizon.csv"),
        by_hour=pd.read_csv(plots / "hours.csv"),
        forecasts=pd.read_csv(
            plots / "forecast.csv", dtype={"series": str}, keep_default_na=False, na_values=[""]
        ),
        residuals=pd.read_csv(plots / "residuals.csv"),
        residual_steps=pd.read_csv(plots / "residual_steps.csv"),
    )


def _read_if_made(path: Path) -> Mapping[str, Any]:
    """Content of a metrics file of a stage that does not have to run before the report."""
    return read_json(path) if path.is_file() else {}
