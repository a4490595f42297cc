"""The runs of a comparison (model, feature mode, seed), and the names of their experiments."""

import re
from dataclasses import dataclass
from itertools import product

from spline_lstm.core.errors import UsageError
from spline_lstm.core.params import CompareParams

# The last stages that a comparison needs; DVC runs what they depend on. The report needs the
# backtest, which no table of a comparison shows.
TARGETS = ("evaluate", "benchmark")
# These stages and those they depend on.
STAGES = (
    "ingest",
    "preprocess",
    "window",
    "train-flax-rnn",
    "evaluate",
    "export",
    "benchmark",
)

# Sections of params.yaml that none of these stages reads.
NOT_READ = ("backtest", "compare", "run", "tune", "store")


@dataclass(frozen=True)
class Run:
    """One run of the pipeline.

    Attributes
    ----------
    model_type, feature_mode, seed : as in params.yaml
    pipeline : name of the pipeline's folder below pipelines/, "" for the root
    """

    model_type: str
    feature_mode: str
    seed: int
    pipeline: str = ""

    @property
    def name(self) -> str:
        """Name of the experiment.

        >>> Run("gru", "univariate", 42).name
        'gru-univariate-s42'
        """
        prefix = f"{self.pipeline}-" if self.pipeline else ""
        return f"{prefix}{self.model_type}-{self.feature_mode}-s{self.seed}"

    @property
    def settings(self) -> dict[str, str | int]:
        """Dotted keys of params.yaml and their values."""
        return {
            "model.type": self.model_type,
            "preprocess.feature_mode": self.feature_mode,
            "train.seed": self.seed,
        }

    @property
    def arguments(self) -> list[str]:
        """Arguments of ``dvc exp run`` that set the params and name the stages."""
        folder = f"pipelines/{self.pipeline}/" if self.pipeline else ""
        file = f"{folder}params.yaml:" if folder else ""
        stages = [f"{folder}dvc.yaml:{stage}" if folder else stage for stage in TARGETS]
        return [
            text for key, value in self.settings.items() for text in ("-S", f"{file}{key}={value}")
        ] + stages


def runs_of(params: CompareParams, pipeline: str = "") -> list[Run]:
    """All runs, model by model, mode by mode, seed by seed."""
    return [
        Run(model_type, feature_mode, seed, pipeline)
        for model_type, feature_mode, seed in product(
            params.models, params.feature_modes, params.seeds
        )
    ]


NAME = re.compile(
    r"(?:(?P<pipeline>.+)-)?(?P<model_type>[a-z_]+)-(?P<feature_mode>[a-z]+)-s(?P<seed>\d+)"
)


def parse_name(name: str) -> Run | None:
    """The run that an experiment of this name belongs to; None for names of another form.

    >>> parse_name("stores-gru-univariate-s42")
    Run(model_type='gru', feature_mode='univariate', seed=42, pipeline='stores')
    >>> parse_name("wide")
    """
    found = NAME.fullmatch(name)
    if found is None:
        return None
    return Run(
        found["model_type"], found["feature_mode"], int(found["seed"]), found["pipeline"] or ""
    )


def run_named(runs: list[Run], name: str) -> Run:
    """The run of that name.

    Raises
    ------
    UsageError
        There is none.
    """
    for run in runs:
        if run.name == name:
            return run
    raise UsageError(
        f"no run is called {name!r}; params.yaml (compare) gives "
        f"{', '.join(run.name for run in runs)}"
    )
