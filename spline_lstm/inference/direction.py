"""The ensemble of the task direction as it is served: without JAX, and with the members there are.

A member whose file or package is missing does not stop the others: it is named in `absent`, and the
ensemble gives its weight to them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from jaxtyping import Float

from spline_lstm.core.artifacts import read_json
from spline_lstm.core.errors import ArtifactError, MissingPackageError
from spline_lstm.core.params import Params, read_text, with_values
from spline_lstm.core.params_file import upgraded
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.export.sessions import Session, open_session, read_metadata
from spline_lstm.market.preprocessor import DirectionPreprocessor
from spline_lstm.trees.ensemble import MEMBERS, NETWORK, Ensemble
from spline_lstm.trees.reasons import Reason, largest_reasons, mean_contributions
from spline_lstm.trees.saved_trees import SavedTrees, load_trees
from spline_lstm.trees.words import word_of

# The float32 file; the other one answers if the first is not there.
FILES = ("model.onnx", "model.tflite")

Probabilities = Float[np.ndarray, " rows"]


@dataclass(frozen=True)
class DirectionForecast:
    """What the ensemble says of some rows.

    Attributes
    ----------
    probability : [rows] of the label 1
    members : those that contributed
    by_member : member -> [rows] its own probability, before any calibration
    words : [rows] the probability in words
    reasons : [rows] the largest contributions of the trees, data units; [] if no trees contributed
    """

    probability: Probabilities
    members: tuple[str, ...]
    by_member: Mapping[str, Probabilities]
    words: tuple[str, ...]
    reasons: list[list[Reason]]


@dataclass(frozen=True)
class DirectionModel:
    """A loaded ensemble.

    Attributes
    ----------
    run_id : str
        Content id of the ensemble and its members.
    params : Params
        Of the training.
    preprocessor : DirectionPreprocessor
    ensemble : Ensemble
    trees : SavedTrees or None
    network : Session or None
    absent : mapping
        Member that could not be loaded -> why, one clause.
    """

    run_id: str
    params: Params
    preprocessor: DirectionPreprocessor
    ensemble: Ensemble
    trees: SavedTrees | None
    network: Session | None
    absent: Mapping[str, str]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load the files of a pipeline folder, or of a registered model.

        Raises
        ------
        ArtifactError
            The ensemble or the preprocessor is missing or damaged, or no member can be used.
        """
        pipeline = Pipeline(folder)
        content = read_json(pipeline.ensemble)
        ensemble = Ensemble.from_json(content, str(pipeline.ensemble))
        trees, absent = _trees(pipeline, ensemble, str(content["trees_run_id"]))
        network, reason = _network(pipeline, str(content["network_run_id"]))
        absent |= {NETWORK: reason} if reason else {}
        if not network and not (trees and trees.members):
            reasons = "; ".join(f"{name}: {absent[name]}" for name in MEMBERS if name in absent)
            raise ArtifactError(f"{folder}: no member of the ensemble can be used ({reasons})")
        return cls(
            str(content["run_id"]),
            _params(pipeline, content.get("params", {})),
            DirectionPreprocessor.load(pipeline.preprocessor),
            ensemble,
            trees,
            network,
            absent,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know: the members that are missing, and what that changes."""
        weights = self.ensemble.used(dict.fromkeys(MEMBERS))
        return tuple(
            f"{name} is left out ({reason}); "
            + ("the other members take its weight" if name in weights else "it had no weight")
            for name, reason in self.absent.items()
        )

    def predict(self, X: Float[np.ndarray, "rows lookback features"]) -> DirectionForecast:
        """Probabilities of windows of z-scores, float32."""
        values = self.preprocessor.scaler.inverse(X.astype(np.float64))
        last = X[:, -1].astype(np.float64)
        by_member = {} if self.trees is None else self.trees.predict(last)
        if self.network is not None:
            answer = self.network(values.astype(np.float32))
            by_member[NETWORK] = answer[:, 0, 0].astype(np.float64)
        probability, members = self.ensemble.combine(by_member)
        limits = self.params.probability.words
        return DirectionForecast(
            probability,
            members,
            by_member,
            tuple(word_of(p, limits) for p in probability.tolist()),
            self._reasons(last, values[:, -1], by_member),
        )

    def _reasons(
        self,
        last: Float[np.ndarray, "rows features"],
        values: Float[np.ndarray, "rows features"],
        by_member: Mapping[str, Probabilities],
    ) -> list[list[Reason]]:
        added = None
        if self.trees is not None:
            added = mean_contributions(self.trees, last, self.ensemble.used(by_member))
        if self.trees is None or added is None:
            return [[] for _ in last]
        return largest_reasons(self.trees.features, values, added)


def _params(pipeline: Pipeline, own: Mapping[str, Any]) -> Params:
    """The params of the training; a key that came after it has its default.

    `own` are those that the ensemble kept: params.yaml of a pipeline folder may have changed since.
    """
    text = read_text(pipeline.params, "restore the folder of the model")
    return with_values(upgraded(text, str(pipeline.params)), own, str(pipeline.ensemble))


def _trees(
    pipeline: Pipeline, ensemble: Ensemble, run_id: str
) -> tuple[SavedTrees | None, dict[str, str]]:
    """The trees of the ensemble, and why some of them are not there."""
    wanted = [name for name in MEMBERS if name in ensemble.without_network]
    try:
        trees = load_trees(pipeline.trees, tolerant=True)
    except (ArtifactError, MissingPackageError) as error:
        return None, dict.fromkeys(wanted, str(error).partition(";")[0])
    if trees.run_id != run_id:
        return None, dict.fromkeys(wanted, f"{pipeline.trees} is of another training")
    return trees, dict(trees.absent)


def network_file(pipeline: Pipeline) -> Path:
    """The exported file of the network, whether it is there or not."""
    paths = [pipeline.exported / name for name in FILES]
    return next((path for path in paths if path.is_file()), paths[0])


def _network(pipeline: Pipeline, run_id: str) -> tuple[Session | None, str]:
    """The exported network of the ensemble, and why it is not there."""
    path = network_file(pipeline)
    try:
        session, metadata = open_session(path), read_metadata(path)
    except ArtifactError as error:
        return None, str(error).partition(";")[0]
    if metadata["run_id"] != run_id:
        return None, f"{path} is of another training"
    return session, ""
