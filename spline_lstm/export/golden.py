"""Golden windows: inputs and forecasts of the trained model, the reference of exported files."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.core.artifacts import read_arrays
from spline_lstm.core.errors import ArtifactError
from spline_lstm.export.formats import FORECAST, INPUT_TYPES, PREDICTION, QUANTILES
from spline_lstm.export.row_golden import RowGolden, row_golden_of
from spline_lstm.export.sessions import Answer

# Windows in one batch: more would only measure the memory of the machine.
BATCH = 256
# Of quantiles: window, step, target, level.
QUANTILE_AXES = 4


@dataclass(frozen=True)
class Golden:
    """Windows of the test split.

    Attributes
    ----------
    history : [windows, lookback, F_total] float32, data units
    forecast : [windows, horizon, F_target] float32, data units, by the trained model
    truth : [windows, horizon, F_target] float32, data units, NaN if not observed
    future : [windows, horizon, F_future] float32, data units; None without known-future features
    static : [windows, n_static] int32, ids; None without static covariates
    quantiles : [windows, horizon, F_target, levels] float32, data units; None without quantiles
    center, scale : [windows, F_total] float32, data units; None if the file is not fed them
    linear_center, linear_scale, log_center, log_scale, log_floor, power_low, power_high :
        [windows, F_target] float32; the same
    unit : [windows, F_target] float32, data units per z-score of targets with a power that is fed;
        None: as `scale`

    Data units are those of the file: less its center if it is fed its scaling (`fed_scaling`), but
    of targets with a power.
    """

    history: Float[np.ndarray, "windows lookback features"]
    forecast: Float[np.ndarray, "windows horizon targets"]
    truth: Float[np.ndarray, "windows horizon targets"]
    future: Float[np.ndarray, "windows horizon future_features"] | None = None
    static: Int[np.ndarray, "windows statics"] | None = None
    quantiles: Float[np.ndarray, "windows horizon targets levels"] | None = None
    center: Float[np.ndarray, "windows features"] | None = None
    scale: Float[np.ndarray, "windows features"] | None = None
    linear_center: Float[np.ndarray, "windows targets"] | None = None
    linear_scale: Float[np.ndarray, "windows targets"] | None = None
    log_center: Float[np.ndarray, "windows targets"] | None = None
    log_scale: Float[np.ndarray, "windows targets"] | None = None
    log_floor: Float[np.ndarray, "windows targets"] | None = None
    power_low: Float[np.ndarray, "windows targets"] | None = None
    power_high: Float[np.ndarray, "windows targets"] | None = None
    unit: Float[np.ndarray, "windows targets"] | None = None

    def __len__(self) -> int:
        """How many windows there are."""
        return len(self.history)

    @property
    def point(self) -> str:
        """The output that is compared with the truth."""
        return FORECAST

    @property
    def inputs(self) -> dict[str, np.ndarray]:
        """Inputs of an exported file by name."""
        return _present({name: getattr(self, name) for name in INPUT_TYPES})

    def target_scale(
        self, indices: Sequence[int], overall: Float[np.ndarray, " targets"]
    ) -> Float[np.ndarray, "... targets"]:
        """Data units per z-score of each target: of each window, or `overall`.

        `indices` are the positions of the targets among the features.
        """
        if self.unit is not None:
            return self.unit[:, None]
        return overall if self.scale is None else self.scale[:, None, list(indices)]

    @property
    def outputs(self) -> dict[str, np.ndarray]:
        """What the trained model answers to them, by the name of the output."""
        return _present({FORECAST: self.forecast, QUANTILES: self.quantiles})

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Content of data/golden.npz."""
        own = _present({"truth": self.truth, "unit": self.unit})
        return {**self.inputs, **self.outputs, **own}


def _present(arrays: dict[str, np.ndarray | None]) -> dict[str, np.ndarray]:
    return {name: value for name, value in arrays.items() if value is not None}


AnyGolden = Golden | RowGolden


def load_golden(path: Path) -> AnyGolden:
    """Read data/golden.npz.

    Raises
    ------
    ArtifactError
        The file is missing or damaged, an array is missing, shapes are inconsistent, an input or
        forecast is not finite, or none of the true values was observed.
    """
    arrays = read_arrays(path)
    if PREDICTION in arrays:
        return _rows(path, arrays)
    missing = {field.name for field in fields(Golden) if field.default is MISSING} - set(arrays)
    if missing:
        raise ArtifactError(f"{path} lacks {', '.join(sorted(missing))}; run `dvc repro`")
    golden = Golden(
        **{field.name: arrays[field.name] for field in fields(Golden) if field.name in arrays}
    )
    _check(path, golden)
    return golden


def _rows(path: Path, arrays: dict[str, np.ndarray]) -> RowGolden:
    try:
        golden = row_golden_of(arrays)
    except KeyError as error:
        raise ArtifactError(f"{path} lacks {error}; run `dvc repro`") from None
    if (problem := golden.problem()) is not None:
        raise ArtifactError(f"{path} {problem}; run `dvc repro`")
    return golden


def _check(path: Path, golden: Golden) -> None:
    arrays, point = golden.to_arrays(), golden.forecast.shape
    shapes = ", ".join(f"{name} {value.shape}" for name, value in arrays.items())
    levels = point if golden.quantiles is None else golden.quantiles.shape[:-1]
    if (
        golden.truth.shape != point
        or levels != point
        or len(point) != 3
        or golden.history.ndim != 3
    ):
        raise ArtifactError(
            f"{path} contains arrays of inconsistent shapes ({shapes}); run `dvc repro`"
        )
    if len(golden.history) == 0 or any(
        len(value) != len(golden.history) for value in arrays.values()
    ):
        raise ArtifactError(
            f"{path} must contain the same number of windows in each array, at least one, "
            f"but has {shapes}"
        )
    infinite = [
        name for name, value in arrays.items() if name != "truth" and not np.isfinite(value).all()
    ]
    if infinite:
        raise ArtifactError(
            f"{path} contains a {' and a '.join(infinite)} that is not finite; retrain the model"
        )
    if not np.isfinite(golden.truth).any():
        raise ArtifactError(
            f"{path} contains no observed truth, so no error can be measured; "
            "bring more data, or raise export.golden_windows if the test split has more windows"
        )


def answers(answer: Answer, golden: AnyGolden) -> dict[str, np.ndarray]:
    """Outputs of an exported file [2, windows, ...]: first window by window, then in batches.

    Raises
    ------
    ValueError
        The answers have other names or shapes than those of the trained model.
    """
    windows = [
        {name: value[index : index + 1] for name, value in golden.inputs.items()}
        for index in range(len(golden))
    ]
    one_by_one = [answer(window) for window in windows]
    batches = [
        answer({name: value[start : start + BATCH] for name, value in golden.inputs.items()})
        for start in range(0, len(golden), BATCH)
    ]
    singly, together = (
        {name: np.concatenate([answered[name] for answered in calls]) for name in calls[0]}
        for calls in (one_by_one, batches)
    )
    expected = {name: value.shape for name, value in golden.outputs.items()}
    for answered in (singly, together):
        found = {name: value.shape for name, value in answered.items()}
        if found != expected:
            raise ValueError(
                f"the answers have the shapes {found}, but the trained model has {expected}"
            )
    return {name: np.stack([singly[name], together[name]]) for name in expected}


def differences(
    answered: Mapping[str, np.ndarray],
    golden: AnyGolden,
    target_scale: Float[np.ndarray, "... targets"],
) -> dict[str, np.ndarray]:
    """Distance of each output to that of the trained model, in z-scores, float64."""
    return {
        name: np.abs(answered[name].astype(np.float64) - reference) / _per(target_scale, reference)
        for name, reference in golden.outputs.items()
    }


def rounding_steps(
    golden: AnyGolden, target_scale: Float[np.ndarray, "... targets"]
) -> dict[str, np.ndarray]:
    """Gap between each answer and the next float32 number, in z-scores: no file can resolve less.

    For glucose (mean 100, standard deviation 50) it is 2e-7; for mean 1e6 and standard deviation 1
    it is 0.06.
    """
    return {
        name: np.spacing(np.abs(reference), dtype=np.float32).astype(np.float64)
        / _per(target_scale, reference)
        for name, reference in golden.outputs.items()
    }


def _per(target_scale: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The scale of the targets, with a quantile axis if `reference` has one."""
    return target_scale[..., np.newaxis] if reference.ndim == QUANTILE_AXES else target_scale


def rmse_increase(
    answered: np.ndarray,
    golden: AnyGolden,
    target_scale: Float[np.ndarray, "... targets"],
) -> float:
    """rmse(answers) / rmse(forecasts) - 1 against the observed truth, errors in z-scores.

    0: as good as the trained model; 0.01: one percent worse; negative: better.
    """
    observed = np.isfinite(golden.truth)
    ours = _rmse(((answered.astype(np.float64) - golden.truth) / target_scale)[..., observed])
    forecast = golden.outputs[golden.point].astype(np.float64)
    theirs = _rmse(((forecast - golden.truth) / target_scale)[observed])
    if theirs == 0.0:
        return 0.0 if ours == 0.0 else float("inf")
    return ours / theirs - 1.0


def _rmse(errors: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))
