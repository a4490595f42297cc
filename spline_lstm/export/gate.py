"""The gate: the checks that an exported file must pass before it is shipped.

Every check compares one measured value with its limit; NaN fails. Only NumPy and the runtimes of
the files are needed, as on a device.
"""

import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from spline_lstm.core.params import BenchmarkParams
from spline_lstm.export.golden import AnyGolden, answers, differences, rmse_increase, rounding_steps
from spline_lstm.export.sessions import Answer, read_sealed, session_of

PERCENTILES = {"p50_ms": 50.0, "p95_ms": 95.0, "p99_ms": 99.0}


@dataclass(frozen=True)
class Check:
    """One measured value against its limit.

    Attributes
    ----------
    name : key of the verdict in metrics/latency.json
    figure, limit : the check passes if figure <= limit
    unit : of figure and limit
    """

    name: str
    figure: float
    limit: float
    unit: str

    @property
    def passed(self) -> bool:
        """False for NaN, too."""
        return bool(self.figure <= self.limit)

    def __str__(self) -> str:
        return f"{self.name}: {self.figure:.6g} {self.unit}, the limit is {self.limit:.6g}"


@dataclass(frozen=True)
class FileReport:
    """What the gate measured on one file.

    Attributes
    ----------
    path : of the file
    figures : name -> value, as written to metrics/latency.json
    checks : in the order in which they were made; a file that does not load has only one
    """

    path: Path
    figures: dict[str, float]
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """True if all checks passed."""
        return all(check.passed for check in self.checks)

    @property
    def failures(self) -> list[str]:
        """One phrase per failed check: file, check, figure, limit."""
        return [f"{self.path}: {check}" for check in self.checks if not check.passed]

    def to_json(self) -> dict[str, Any]:
        """Measured values and verdicts."""
        # A list: DVC would make a column of every check of a mapping.
        verdicts = [
            {
                "check": check.name,
                "figure": check.figure,
                "limit": check.limit,
                "passed": check.passed,
            }
            for check in self.checks
        ]
        return {**self.figures, "passed": self.passed, "checks": verdicts}


def measure_file(
    path: Path,
    golden: AnyGolden,
    target_scale: Float[np.ndarray, "... targets"],
    params: BenchmarkParams,
    *,
    quantized: bool = False,
) -> FileReport:
    """Load one exported file, run it, time it and judge it.

    Parameters
    ----------
    path : Path
    golden : Golden
    target_scale : [targets] or [windows, 1, targets], data units per z-score
    params : BenchmarkParams
    quantized : bool
        Judge by the limits of files in fewer bits.

    Raises
    ------
    ArtifactError
        The file is missing, or not the one that was exported, by its checksum. A file that does not
        load or run fails its first check instead.
    """
    content = read_sealed(path)
    figures: dict[str, float] = {"size_bytes": len(content), "size_mb": len(content) / 1e6}
    try:
        answer = session_of(content, path.suffix).answer
        answered = answers(answer, golden)
    except Exception as error:
        # The errors of the runtimes share no base class, and all mean that the file is unusable.
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return FileReport(path, figures, (Check("loads", 1, 0, f"failure ({reason})"),))
    figures |= _accuracy(answered, golden, target_scale)
    figures["deviating_repeats"] = deviating_repeats(
        answer, _window(golden.inputs, 0), params.repeats
    )
    figures |= latency(answer, golden.inputs, calls=params.calls, warmup_calls=params.warmup_calls)
    figures["memory_mb"] = memory_mb()
    return FileReport(
        path,
        figures,
        (Check("loads", 0, 0, "failures"), *judge(figures, params, quantized=quantized)),
    )


def judge(
    figures: dict[str, float], params: BenchmarkParams, *, quantized: bool = False
) -> list[Check]:
    """Compare the measured values of a file that runs with the limits of params.benchmark."""
    limits = params.quantized if quantized else params
    return [
        Check(
            "parity",
            figures["beyond_rounding"],
            limits.max_abs_diff,
            "z-scores off the trained model",
        ),
        Check(
            "accuracy",
            figures["rmse_increase"],
            limits.max_rmse_increase,
            "relative increase of the RMSE",
        ),
        Check(
            "repeats",
            figures["deviating_repeats"],
            0,
            f"of {params.repeats} answers to one input deviate",
        ),
        Check("latency", figures["p95_ms"], params.max_p95_ms, "ms at the 95th percentile"),
        Check("size", figures["size_mb"], params.max_size_mb, "MB"),
    ]


def _accuracy(
    answered: Mapping[str, np.ndarray], golden: AnyGolden, target_scale: np.ndarray
) -> dict[str, float]:
    distances, steps = (
        differences(answered, golden, target_scale),
        rounding_steps(golden, target_scale),
    )
    # Golden forecast and answer may round to neighbouring numbers: one step is not an error.
    beyond = {name: np.maximum(distance - steps[name], 0.0) for name, distance in distances.items()}
    return {
        "max_abs_diff": _largest(distances),
        "beyond_rounding": _largest(beyond),
        "rmse_increase": rmse_increase(answered[golden.point], golden, target_scale),
    }


def _largest(arrays: Mapping[str, np.ndarray]) -> float:
    # np.max keeps NaN, max() may lose it.
    return float(np.max([np.max(value) for value in arrays.values()]))


def _window(inputs: Mapping[str, np.ndarray], index: int) -> dict[str, np.ndarray]:
    return {name: value[index : index + 1] for name, value in inputs.items()}


def deviating_repeats(answer: Answer, window: Mapping[str, np.ndarray], repeats: int) -> int:
    """Number of repeated calls whose answer is not finite or differs by a bit from the first.

    A deviation means that the file keeps state between calls.
    """
    first = {name: value.copy() for name, value in answer(window).items()}
    if not all(np.isfinite(value).all() for value in first.values()):
        return repeats
    return sum(
        not all(np.array_equal(value, first[name]) for name, value in answer(window).items())
        for _ in range(repeats)
    )


def latency(
    answer: Answer, inputs: Mapping[str, np.ndarray], *, calls: int, warmup_calls: int
) -> dict[str, float]:
    """Percentiles of the time of one call with one window, in milliseconds."""
    windows = [_window(inputs, index) for index in range(len(next(iter(inputs.values()))))]
    for index in range(warmup_calls):
        answer(windows[index % len(windows)])
    elapsed = np.empty(calls)
    for index in range(calls):
        window = windows[index % len(windows)]
        start = time.perf_counter_ns()
        answer(window)
        elapsed[index] = time.perf_counter_ns() - start
    return {
        name: float(np.percentile(elapsed, percent)) / 1e6 for name, percent in PERCENTILES.items()
    }


def memory_mb() -> float:
    """Resident memory of this process, in megabytes (10^6 bytes).

    The peak so far on systems that do not report the current value as Linux does.
    """
    return _status_mb("VmRSS") or peak_memory_mb()


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, in megabytes."""
    # On Linux, ru_maxrss starts at the memory of the parent process.
    peak = _status_mb("VmHWM")
    if peak is not None:
        return peak
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _status_mb(key: str) -> float | None:
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(key)), None)
