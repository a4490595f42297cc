"""Trained trees as a folder: one text file per library, and trees.json that says what they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float

from spline_lstm.core.artifacts import content_id, read_json, write_bytes, write_json
from spline_lstm.core.errors import ArtifactError, MissingPackageError, SplineLstmError
from spline_lstm.trees.trees import FILES, Objective, Trees, finite_or_missing, parse_trees

INDEX = "trees.json"


@dataclass(frozen=True)
class SavedTrees:
    """The trees of one training.

    Attributes
    ----------
    objective : what they predict
    features : names of the columns of their rows
    members : library -> its trees, of those that could be loaded
    run_id : content id of the training, of all its members
    absent : library -> why it is not among `members`, one line
    """

    objective: Objective
    features: tuple[str, ...]
    members: Mapping[str, Trees]
    run_id: str
    absent: Mapping[str, str] = field(default_factory=dict)

    def predict(
        self, X: Float[np.ndarray, "rows features"]
    ) -> dict[str, Float[np.ndarray, "rows *classes"]]:
        """What each member predicts, see `Trees.predict`."""
        finite = finite_or_missing(X)
        return {name: trees.predict(finite) for name, trees in self.members.items()}

    def importance(self) -> dict[str, dict[str, float]]:
        """Member -> feature -> its share of the gain, the largest first."""
        return {
            name: _largest_first(dict(zip(self.features, trees.importance().tolist(), strict=True)))
            for name, trees in self.members.items()
        }


def save_trees(
    folder: Path,
    members: Mapping[str, Trees],
    objective: Objective,
    features: Sequence[str],
    data_run_id: str,
) -> str:
    """Write the files of a training, and remove those of an earlier one; returns the run id.

    Parameters
    ----------
    folder : Path
    members : library -> trees
    objective : Objective
    features : sequence of str
        [features] names.
    data_run_id : str
        Content id of what the rows were made with.
    """
    about = {
        "kind": objective.kind,
        "classes": objective.classes,
        "features": list(features),
        "members": {
            name: {"file": FILES[name], "rounds": trees.rounds, "id": content_id(trees.content)}
            for name, trees in members.items()
        },
        "data_run_id": data_run_id,
    }
    run_id = content_id(about)
    for name, file in FILES.items():
        if name not in members:
            (folder / file).unlink(missing_ok=True)
    for name, trees in members.items():
        write_bytes(folder / FILES[name], trees.content)
    write_json(folder / INDEX, {"run_id": run_id, **about})
    return run_id


def load_trees(folder: Path, *, tolerant: bool = False) -> SavedTrees:
    """Read the files of a training.

    Parameters
    ----------
    folder : Path
    tolerant : bool
        Whether to go on without the members whose file or package is missing.

    Raises
    ------
    ArtifactError
        A file is missing, damaged, or of another training.
    MissingPackageError
        The package of a member is not installed.
    """
    index = read_json(folder / INDEX)
    try:
        objective = Objective(index["kind"], index["classes"])
        wanted = {name: entry["id"] for name, entry in index["members"].items()}
        features, run_id = tuple(index["features"]), str(index["run_id"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{folder / INDEX} is damaged ({error!r}); run `dvc repro`") from None
    members, absent = {}, {}
    for name, identity in wanted.items():
        try:
            members[name] = _load(folder / FILES[name], name, identity, objective)
        except (ArtifactError, MissingPackageError) as error:
            if not tolerant:
                raise
            absent[name] = _reason(error)
    return SavedTrees(objective, features, members, run_id, absent)


def _load(path: Path, name: str, identity: str, objective: Objective) -> Trees:
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = "is missing" if isinstance(error, FileNotFoundError) else str(error.strerror)
        raise ArtifactError(f"{path} {reason}; run `dvc repro` to make it") from None
    if content_id(content) != identity:
        raise ArtifactError(
            f"{path} is not the file that {INDEX} names: it is damaged, or of another training; "
            "run `dvc repro`"
        )
    return parse_trees(name, content, objective, str(path))


def _reason(error: SplineLstmError) -> str:
    return str(error).partition(";")[0]


def _largest_first(shares: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(shares.items(), key=lambda item: -item[1]))
