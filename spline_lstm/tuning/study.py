"""The database of a search: one study for each problem, by the content id of the problem."""

from pathlib import Path

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

# Most draws in a row that do not go with the params or exceed the cost limit.
MAX_REFUSED = 300
# Fewest trials whose median can cut a trial short.
FEWEST_COMPARED = 3
STATE, REFUSED = "state", "refused"


def open_study(name: str, database: Path) -> optuna.Study:
    """The study of a problem by its content id; a trial whose process was killed is dropped."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    database.parent.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=f"sqlite:///{database}",
        study_name=name,
        load_if_exists=True,
        direction="minimize",
        pruner=optuna.pruners.NopPruner(),  # see `trial_run.is_worse`
    )
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Trained trials and refused draws, in order, without trials that were killed."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def draw_seed(seed: int, number: int) -> int:
    """Seed of one draw; a sum of seed and number would repeat draws of the next seed."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
