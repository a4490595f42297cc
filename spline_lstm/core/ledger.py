"""The ledger of failed stages: what failed, with which params, why, and the curve until then.

DVC forgets a failed experiment: its temporary copy is removed, and `dvc exp show` has no row for
it. So a stage that fails leaves an entry in .cache/failed of the pipeline folder, or of the folder
that the temporary copy was made from. Git and DVC ignore it.
"""

import json
import logging
import os
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError

from spline_lstm.core.artifacts import read_json, write_json
from spline_lstm.core.errors import ArtifactError, SplineLstmError

logger = logging.getLogger("spline_lstm")

FOLDER = Path(".cache/failed")
# Set by who runs stages in a copy of its own: the root of the repository that the copy is of.
ROOT_VARIABLE = "SPLINE_LSTM_ROOT"
# The commit that the copy is of, if it has other commits than the repository.
COMMIT_VARIABLE = "SPLINE_LSTM_COMMIT"
# Where DVC puts the copies of `dvc exp run --temp` and of its queue, below the root.
COPY = re.compile(r"(?P<root>.*)/\.dvc/tmp/exps/(?:standalone/)?tmp[^/]*(?:/(?P<inside>.*))?")
MAX_ENTRIES = 200


@dataclass(frozen=True)
class Failure:
    """One failed stage.

    Attributes
    ----------
    time : when, ISO 8601 in UTC
    stage : as in dvc.yaml
    exit_code, title : of the error
    reasons : one line per violation
    experiment, commit : of DVC, and the commit that it started from; "" outside of one
    params : content of params.yaml, None if it could not be read
    curve : text of the files that the stage had written until then, by their names
    """

    time: str
    stage: str
    exit_code: int
    title: str
    reasons: tuple[str, ...]
    experiment: str = ""
    commit: str = ""
    params: Any = None
    curve: dict[str, str] = field(default_factory=dict)


def record_failure(
    folder: Path, stage: str, error: SplineLstmError, keep: Sequence[str] = ()
) -> None:
    """Add a failed stage to the ledger; the oldest entries beyond `MAX_ENTRIES` are removed.

    A ledger that cannot be written is said in one line: the error of the stage counts for more.

    Parameters
    ----------
    folder : Path
        The pipeline folder, perhaps in a temporary copy.
    stage : str
    error : SplineLstmError
    keep : sequence of str
        Text files that tell how far the stage came, relative to the folder.
    """
    ledger = ledger_folder(folder)
    try:
        failure = Failure(
            time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            stage=stage,
            exit_code=error.exit_code,
            title=error.title,
            reasons=error.lines,
            experiment=os.environ.get("DVC_EXP_NAME", ""),
            commit=os.environ.get(COMMIT_VARIABLE) or os.environ.get("DVC_EXP_BASELINE_REV", ""),
            params=_params(folder),
            curve={
                name: (folder / name).read_text("utf-8")
                for name in keep
                if (folder / name).is_file()
            },
        )
        # Nanoseconds and process: two stages that fail at once keep their entries.
        write_json(ledger / f"{time.time_ns()}-{os.getpid()}.json", asdict(failure))
        for old in sorted(ledger.glob("*.json"))[:-MAX_ENTRIES]:
            old.unlink(missing_ok=True)
    except (OSError, UnicodeDecodeError) as problem:
        logger.warning("the ledger of failures could not be written: %s", problem)


def read_failures(folder: Path) -> list[Failure]:
    """The failures of a pipeline folder, oldest first.

    Raises
    ------
    ArtifactError
        An entry is damaged.
    """
    failures = []
    for path in sorted((folder / FOLDER).glob("*.json")):
        content = read_json(path)
        try:
            failures.append(Failure(**{**content, "reasons": tuple(content["reasons"])}))
        except (TypeError, KeyError) as error:
            raise ArtifactError(
                f"{path} is not an entry of the ledger ({error}); delete it"
            ) from None
    return failures


def ledger_folder(folder: Path) -> Path:
    """Where failures of a pipeline folder are kept: beside the folder that a copy was made from.

    >>> ledger_folder(Path("/repo/.dvc/tmp/exps/standalone/tmp1/pipelines/stores")).as_posix()
    '/repo/pipelines/stores/.cache/failed'
    """
    copy = COPY.fullmatch(folder.resolve().as_posix())
    if copy is None:
        return folder / FOLDER
    root = Path(os.environ.get(ROOT_VARIABLE, copy["root"]))
    return root / (copy["inside"] or "") / FOLDER


def _params(folder: Path) -> Any:
    """Content of params.yaml; None if it is not YAML: what is wrong with it is the error's text."""
    try:
        content = YAML(typ="safe").load((folder / "params.yaml").read_text("utf-8"))
        return json.loads(json.dumps(content))
    except (OSError, ValueError, TypeError, YAMLError):
        return None
