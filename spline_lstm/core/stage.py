"""What every stage script shares: its arguments, the final log line, the exit code."""

import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from spline_lstm.core.edited_params import refuse_edited
from spline_lstm.core.errors import SplineLstmError, UsageError, report
from spline_lstm.core.figures import remove_later, remove_own
from spline_lstm.core.garbage import resume
from spline_lstm.core.interrupts import ended_by_interrupts
from spline_lstm.core.ledger import record_failure

logger = logging.getLogger("spline_lstm")


def run_stage(
    name: str, main: Callable[..., str], flags: Sequence[str] = (), keep: Sequence[str] = ()
) -> None:
    """Run `main(folder)` as a process: folder from the command line, one log line at the end.

    Parameters
    ----------
    name : str
        Stage name as in dvc.yaml.
    main : callable
        Takes the pipeline folder; returns its inputs and outputs in a few words.
    flags : sequence of str
        Keywords of `main` that ``--<flag>`` on the command line sets to True.
    keep : sequence of str
        Files of the folder that the ledger of failures keeps if the stage fails.

    If its params are edited meanwhile it fails, see `spline_lstm.core.edited_params`.

    Ctrl-C ends it with one line and code 130, see `spline_lstm.core.interrupts`.

    Figures of an earlier run are removed, see `spline_lstm.core.figures`.
    """
    resume()
    # Only our own logger: the messages of libraries would bury its line.
    logger.addHandler(logging.StreamHandler(sys.stderr))
    logger.setLevel(logging.INFO)
    logger.propagate = False
    start = time.perf_counter()
    try:
        given = [
            argument for argument in sys.argv[1:] if argument in {f"--{flag}" for flag in flags}
        ]
        folder = _folder([argument for argument in sys.argv[1:] if argument not in given], flags)
    except SplineLstmError as error:
        sys.exit(report(error))
    keywords = {flag.removeprefix("--"): True for flag in given}
    # A run that continues another one may find that there is none, and then changes nothing.
    if not keywords:
        remove_own(folder, name)
    try:
        with ended_by_interrupts(name):
            summary = _run(name, lambda: main(folder, **keywords), folder)
    except SplineLstmError as error:
        record_failure(folder, name, error, keep)
        sys.exit(report(error))
    first, newline, warnings = summary.partition("\n")
    seconds = time.perf_counter() - start
    logger.info("%s: %s (%.1f s)%s%s", name, first, seconds, newline, warnings)


def _run(name: str, work: Callable[[], str], folder: Path) -> str:
    """Do the work of a stage; if it fails, remove the figures of the later stages."""
    params = (folder / "params.yaml").read_text(encoding="utf-8")
    try:
        summary = work()
        refuse_edited(folder, name, params)
        return summary
    except UsageError:
        raise
    except BaseException:
        # Stopped by hand or out of memory is failed, too.
        remove_later(folder, name)
        raise


def _folder(arguments: list[str], flags: Sequence[str]) -> Path:
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        more = "".join(f", and --{flag}" for flag in flags)
        raise UsageError(
            f"a stage takes one argument, the pipeline folder (default: the current one){more}"
        )
    folder = Path(arguments[0]) if arguments else Path()
    if not (folder / "params.yaml").is_file():
        raise UsageError(f"{folder} is not a pipeline folder: it has no params.yaml")
    return folder
