"""What `init` would make of a table; in memory only, nothing is written."""

import shlex
from dataclasses import dataclass

import pandas as pd

from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.user_files import NO_FILES


@dataclass(frozen=True, eq=False)
class ProposalView:
    """What is shown of a proposal.

    Attributes
    ----------
    decisions : DataFrame
        Columns `what` and `decision`, with the reason.
    settings : DataFrame
        Columns `key` (of params.yaml) and `value`.
    questions : what the owner of the data should check
    command : the command that makes the pipeline
    """

    decisions: pd.DataFrame
    settings: pd.DataFrame
    questions: tuple[str, ...]
    command: str


def proposal_of(
    content: bytes, name: str, targets: tuple[str, ...] = (), series: str = ""
) -> ProposalView:
    """What `init` says of the content of a file.

    Parameters
    ----------
    content : bytes
    name : str
        Of the file.
    targets : tuple of str
        Columns to forecast; empty: found in the file.
    series : str
        Column that tells series apart; "": found in the file.

    Raises
    ------
    SplineLstmError
        The file leaves something open; the message names the option of `init` to give.
    """
    plan = NO_FILES.complete(content, name, Options(targets=targets, series=series or None))
    given = [*(f"--target {shlex.quote(each)}" for each in targets)]
    given += [f"--series {shlex.quote(series)}"] if series else []
    settings = [(key, _text(value)) for key, value in plan.values.items()]
    return ProposalView(
        pd.DataFrame(list(plan.decisions.items()), columns=["what", "decision"]),
        pd.DataFrame(settings, columns=["key", "value"]),
        plan.questions,
        " ".join(["python -m spline_lstm init NAME --csv", shlex.quote(name), *given]),
    )


def _text(value: object) -> str:
    return "null" if value is None else str(value)
