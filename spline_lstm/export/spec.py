"""All that the export of a forecaster needs, read from a pipeline folder without JAX or TensorFlow.

Also which models can be exported, and the shapes of the inputs and outputs of their files.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.numpy import load

from spline_lstm.core.artifacts import content_id, read_json
from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import ArtifactError, ExportError
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.time_zones import UTC
from spline_lstm.export.checksum import BLANK, KEY
from spline_lstm.export.formats import (
    CENTER,
    FORECAST,
    FUTURE,
    HISTORY,
    LINEAR_CENTER,
    LINEAR_SCALE,
    LOG_CENTER,
    LOG_FLOOR,
    LOG_SCALE,
    POWER_HIGH,
    POWER_LOW,
    QUANTILES,
    SCALE,
    STATIC,
)
from spline_lstm.export.row_spec import RowSpec
from spline_lstm.models.combined import combination_shapes, network_arrays
from spline_lstm.models.config import ModelConfig
from spline_lstm.models.fed_scaling import fed_scaling, unresolved
from spline_lstm.models.linear_targets import array_shapes
from spline_lstm.models.row_config import RowConfig
from spline_lstm.models.types import MODEL_TYPES
from spline_lstm.models.weight_shapes import weight_shapes
from spline_lstm.windows.fed_scaling import FedScaling
from spline_lstm.windows.power import Power
from spline_lstm.windows.preprocessor import Preprocessor

# Options of a ModelConfig that are words, and the values that the exported graphs compute; see
# `ModelType.exported` for the type of the model.
WORDS = {
    "normalization": ("none", "last", "revin", "robust"),
    "decoder": ("dense", "segments"),
    "channels": ("mixed", "independent"),
    "output": ("value", "probability"),
    "linear_skip": ("none", "frozen", "trained", "beside"),
    "stack": ("none", "shrunk"),
}
COMPUTED = {
    *WORDS, "model_type", "hidden", "dropout", "lookback", "horizon", "features", "targets",
    "target_indices", "segment", "bidirectional", "layer_norm", "quantiles", "ensemble_size",
    "future_features", "static_sizes", "static_dims",
    "categories", "category_sizes", "category_dims", "mask_indices",
    "network_lookback", "seasonal_skip", "seasons", "head_units",
}  # fmt: skip


@dataclass(frozen=True)
class EdgeSpec:
    """A trained forecaster and the scaler of its inputs.

    Attributes
    ----------
    config : ModelConfig
    run_id, preprocessor_run_id : content ids of the model and of its preprocessor
    clock : whose rows are forecast
    center, scale : [F_total] float64, data units; z = (x - center) / scale
    weights : name -> float32 array, as in best.safetensors; with a leading member axis in an
        ensemble; of a model in closed form those of `linear_targets`, beside a linear part those of
        `models.combined` too
    statics : static covariate -> texts of the ids 1, 2, ...; id 0 is unknown
    categories : categorical feature -> the same
    fed : scaling that the file is fed with each window; None: `center` and `scale` are inside it
    bounds : [F_target, 2] float64, data units, -inf and inf without a bound; None: no bounds at all
    power : what features go through before they are scaled, of all series; None: nothing
    """

    config: ModelConfig
    run_id: str
    preprocessor_run_id: str
    clock: Clock
    center: Float[np.ndarray, " features"]
    scale: Float[np.ndarray, " features"]
    weights: Mapping[str, np.ndarray]
    statics: Mapping[str, Sequence[str]] = field(default_factory=dict)
    categories: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fed: FedScaling | None = None
    bounds: Float[np.ndarray, "targets 2"] | None = None
    power: Power | None = None

    def members(self) -> list[dict[str, np.ndarray]]:
        """Weights of each network of the ensemble, one without an ensemble."""
        weights = network_arrays(self.weights)
        if self.config.ensemble_size == 1:
            return [weights]
        return [
            {name: value[index] for name, value in weights.items()}
            for index in range(self.config.ensemble_size)
        ]

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """Shape of one window of each input of the file, in their order."""
        shapes = input_shapes(self.config)
        return (
            shapes
            if self.fed is None
            else shapes | self.fed.inputs(bounded=self.bounds is not None)
        )

    @property
    def outputs(self) -> dict[str, tuple[int, ...]]:
        """Shape of one window of each output of the file, in their order."""
        return output_shapes(self.config)

    @property
    def target_indices(self) -> tuple[int, ...]:
        """Positions of the targets among the features."""
        return self.config.target_indices

    @property
    def unit(self) -> Float[np.ndarray, " targets"]:
        """Data units per z-score of each target as it is without a power."""
        return self.target_scale if self.target_power is None else self.target_power.scale

    @property
    def target_power(self) -> Power | None:
        """What the targets go through before they are scaled; None: nothing."""
        return None if self.power is None else self.power.columns(list(self.config.target_indices))

    @property
    def target_scale(self) -> Float[np.ndarray, " targets"]:
        """Data units per z-score of each target; 1 of labels that are not features."""
        indices = list(self.config.target_indices)
        return self.scale[indices] if indices else np.ones(len(self.config.targets))

    def metadata(self) -> dict[str, Any]:
        """What a user of an exported file must know to feed it; the same in every format."""
        config = self.config
        units = "data units" if self.fed is None else "data units less center"
        own = linear = "data units"
        if self.fed is not None and self.fed.whole:
            units += "; the targets are whole"
            own += ", of a target after its power"
        else:
            linear += " less center"
        axes = {
            HISTORY: f"[batch, lookback, features] float32, {units}",
            FUTURE: f"[batch, horizon, future_features] float32, {units}",
            STATIC: "[batch, statics] int32, ids; 0 is unknown",
            CENTER: f"[batch, features] float32, {own}",
            SCALE: f"[batch, features] float32, {own}",
            LINEAR_CENTER: f"[batch, targets] float32, {linear}",
            LINEAR_SCALE: "[batch, targets] float32, data units",
            LOG_CENTER: "[batch, targets] float32, logarithms",
            LOG_SCALE: "[batch, targets] float32, logarithms",
            LOG_FLOOR: "[batch, targets] float32, data units",
            POWER_LOW: "[batch, targets] float32, data units after the power",
            POWER_HIGH: "[batch, targets] float32, data units after the power",
            FORECAST: f"[batch, horizon, targets] float32, {units}",
            QUANTILES: f"[batch, horizon, targets, quantiles] float32, {units}, increasing",
        }
        return {
            "run_id": self.run_id,
            "preprocessor_run_id": self.preprocessor_run_id,
            "model_type": config.model_type,
            "output": config.output,
            "features": list(config.features),
            "targets": list(config.targets),
            "future_features": list(config.future_features),
            "statics": {name: list(texts) for name, texts in self.statics.items()},
            "categories": {name: list(texts) for name, texts in self.categories.items()},
            "quantiles": list(config.quantiles),
            "lookback": config.lookback,
            "horizon": config.horizon,
            "frequency": self.clock.frequency,
            "time_zone": self.clock.zone or UTC,
            "clock": self.clock.to_json(),
            "scaling": None if self.fed is None else self.fed.to_json(),
            "bounds": None if self.bounds is None else _nullable(self.bounds),
            "inputs": {name: axes[name] for name in self.inputs},
            "outputs": {name: axes[name] for name in output_shapes(config)},
            # Filled in when the file is complete.
            KEY: BLANK,
        }

    def metadata_text(self) -> str:
        """`metadata` as one line of JSON."""
        return json.dumps(self.metadata(), ensure_ascii=False)


# What an exported file is made from.
AnySpec = EdgeSpec | RowSpec


def check_exportable(config: ModelConfig) -> None:
    """Raise ExportError if the model has a type, an option or a value that has no exported form."""
    words = {"model_type": [name for name, entry in MODEL_TYPES.items() if entry.exported], **WORDS}
    for item in fields(config):
        value = getattr(config, item.name)
        if item.name not in COMPUTED and value != item.default:
            raise ExportError(
                f"the option {item.name} {value} of the model has no exported form; "
                "train without it"
            )
        if item.name in words and value not in words[item.name]:
            key = {"model_type": "type"}.get(item.name, item.name)
            raise ExportError(
                f"model.{key} {value} has no exported form; "
                f"use one of {', '.join(words[item.name])}"
            )
    if config.output == "probability" and config.normalization != "none":
        raise ExportError(
            "a probability (train.loss bce) with model.normalization "
            f"{config.normalization} has no exported form; set model.normalization to none"
        )
    if config.bidirectional and config.decoder == "segments":
        raise ExportError(
            "model.bidirectional true with model.decoder segments has no exported form; use dense"
        )


def _nullable(bounds: Float[np.ndarray, "targets 2"]) -> list[list[float | None]]:
    return [[float(side) if np.isfinite(side) else None for side in pair] for pair in bounds]


def input_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Shape of one window of the inputs but the scaling, in their order, without the batch axis.

    history [lookback, F_total], future [horizon, F_future], static [n_static].
    """
    shapes: dict[str, tuple[int, ...]] = {HISTORY: (config.lookback, len(config.features))}
    if config.future_features:
        shapes[FUTURE] = (config.horizon, len(config.future_features))
    if config.static_sizes:
        shapes[STATIC] = (len(config.static_sizes),)
    return shapes


def output_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """As `input_shapes`: forecast [horizon, F_target], quantiles [horizon, F_target, levels]."""
    point = (config.horizon, len(config.targets))
    return {FORECAST: point} | ({QUANTILES: (*point, config.levels)} if config.quantiles else {})


def load_spec(folder: Path) -> EdgeSpec:
    """The trained forecaster of a pipeline folder, with its best weights.

    Raises
    ------
    ArtifactError
        A file is missing or damaged, or weights, config and preprocessor do not belong together.
    ExportError
        An option of the model has no exported form.
    """
    path, constants = Pipeline(folder).model, Pipeline(folder).preprocessor
    content, preprocessor = read_json(path), Preprocessor.load(constants)
    try:
        config = ModelConfig.from_json(content)
        run_id, trained_with = content["run_id"], content["preprocessor_run_id"]
    except KeyError as error:
        raise ArtifactError(f"{path} lacks {error}; run `dvc repro`") from None
    features = preprocessor.features
    if trained_with != preprocessor.run_id or features != config.features:
        raise ArtifactError(
            f"{path} was trained with preprocessor {trained_with} and the features "
            f"{list(config.features)}, but {constants} is {preprocessor.run_id} with "
            f"{list(features)}; run `dvc repro`"
        )
    check_exportable(config)
    statics = dict(list(preprocessor.statics.items())[: len(config.static_sizes)])
    sizes = tuple(len(texts) + 1 for texts in statics.values())
    if not set(config.future_features) <= set(features) or sizes != config.static_sizes:
        raise ArtifactError(
            f"{path} has the future features {list(config.future_features)} and static ids up to "
            f"{list(config.static_sizes)}, but {constants} has the features {list(features)} and "
            f"{list(sizes)} ids; run `dvc repro`"
        )
    categories = {k: texts for k, texts in preprocessor.categories.items() if k in features}
    scaler, closed_form = preprocessor.scaler, MODEL_TYPES[config.model_type].closed_form
    weights_path = Pipeline(folder).best_weights
    weights = _read_weights(
        weights_path, config, expected_id=run_id, preprocessor_run_id=trained_with
    )
    fed = fed_scaling(config, weights, scaler, preprocessor.series)
    coarse = unresolved(scaler)[..., list(config.target_indices)]
    if scaler.power is not None and not closed_form and coarse.any():
        raise ExportError(
            f"target.transform {preprocessor.options.transform} of a target whose level is far "
            "above its spread has no exported form, for float32 does not resolve it; set it to none"
        )
    bounds, overall = preprocessor.limits.bounds, preprocessor.scaler.overall
    return EdgeSpec(
        config,
        run_id,
        trained_with,
        preprocessor.clock,
        overall.center,
        overall.scale,
        weights,
        statics,
        categories,
        fed,
        bounds if np.isfinite(bounds).any() else None,
        None if closed_form else scaler.overall.power,
    )


def _read_weights(
    path: Path, config: ModelConfig, *, expected_id: str, preprocessor_run_id: str
) -> dict[str, np.ndarray]:
    weights = identified_weights(
        path, config, expected_id=expected_id, preprocessor_run_id=preprocessor_run_id
    )
    shapes = {name: value.shape for name, value in weights.items()}
    if MODEL_TYPES[config.model_type].closed_form:
        expected = array_shapes(config, weights)
    elif config.is_combined:
        expected = combination_shapes(config, weights)
    else:
        expected = weight_shapes(config)
    if shapes != expected:
        wrong = sorted(
            name for name in {*shapes, *expected} if shapes.get(name) != expected.get(name)
        )
        found, needed = ({name: each.get(name) for name in wrong} for each in (shapes, expected))
        raise ArtifactError(
            f"{path} contains {found}, but the config of model.json needs {needed}; run `dvc repro`"
        )
    return weights


def identified_weights(
    path: Path, config: ModelConfig | RowConfig, *, expected_id: str, preprocessor_run_id: str
) -> dict[str, np.ndarray]:
    """The arrays of a weights file; ArtifactError if it is missing, damaged or another one."""
    try:
        content = path.read_bytes()
        weights = load(content)
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing; run `dvc repro` to make it") from None
    except SafetensorError as error:
        raise ArtifactError(f"{path} is damaged ({error}); run `dvc repro` again") from None
    if content_id(preprocessor_run_id, config.to_json(), content) != expected_id:
        raise ArtifactError(f"{path} is not the file that model.json describes; run `dvc repro`")
    return weights
