"""Failed stages and experiments as a table: when, which, with what changed, and why."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from spline_lstm.core.ledger import Failure
from spline_lstm.core.section import flattened
from spline_lstm.experiments.show import settings

HEADER = ("time", "experiment", "stage", "code", "last losses", "changed params", "reason")


def failed_text(failures: Sequence[Failure], present: Mapping[str, Any]) -> str:
    """A paragraph per failure, the newest first.

    Parameters
    ----------
    failures : sequence of Failure
        Oldest first.
    present : mapping
        Content of params.yaml as it is now, which those of a failure are compared with.
    """
    return "\n\n".join(_paragraph(failure, present) for failure in reversed(failures))


def failed_csv(failures: Sequence[Failure], present: Mapping[str, Any]) -> str:
    """The same as CSV."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(HEADER)
    for failure in reversed(failures):
        table.writerow(
            (
                failure.time,
                failure.experiment,
                failure.stage,
                failure.exit_code,
                last_losses(failure),
                _changed(failure, present),
                "; ".join(failure.reasons),
            )
        )
    return out.getvalue().rstrip("\n")


def last_losses(failure: Failure) -> str:
    r"""The last row of the training curve as ``column=value``; "" without one.

    >>> curve = {"plots/training.csv": "step,train_loss\n10,0.5\n20,0.4\n"}
    >>> last_losses(Failure("", "train-flax-rnn", 16, "", ("",), curve=curve))
    'step=20 train_loss=0.4'
    """
    for text in failure.curve.values():
        rows = list(csv.DictReader(io.StringIO(text)))
        if rows:
            return " ".join(f"{name}={value}" for name, value in rows[-1].items())
    return ""


def _paragraph(failure: Failure, present: Mapping[str, Any]) -> str:
    where = failure.experiment or "the workspace"
    lines = [
        f"{failure.time}  {where}, stage {failure.stage}: {failure.exit_code} {failure.title}",
        *(f"  {reason}" for reason in failure.reasons),
    ]
    changed, losses = _changed(failure, present), last_losses(failure)
    if changed:
        lines.append(f"  params other than now: {changed}")
    if losses:
        lines.append(f"  last evaluation: {losses}")
    return "\n".join(lines)


def _changed(failure: Failure, present: Mapping[str, Any]) -> str:
    """Params of the failed run that differ from the present ones."""
    if not isinstance(failure.params, Mapping):
        return ""
    now, then = flattened(present), flattened(failure.params)
    return settings({key: value for key, value in then.items() if now.get(key) != value})
