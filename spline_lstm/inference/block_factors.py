"""How much wider intervals must be for errors of one time to cover those of another.

Split conformal widths hold if the windows to come are like those of the validation split. Errors of
series come in calmer and wilder times, though, and the validation split is one such time: widths
from it are too wide for a calmer one, too narrow for a wilder one, and too narrow on average, since
coverage falls faster with narrower widths than it rises with wider ones.

How much the errors of a series change from one time to the next can be seen in its training split.
It is cut into blocks, each with about as many windows as the validation split. The half widths of
one block and the errors of the next are what the validation split and the time after it are to each
other. The block factor of a level is what half widths must be multiplied by to cover that level in
the next block, over all blocks together. That the training made these errors small does not matter:
it did so in both blocks of a pair.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.inference.intervals import Values, half_widths

# Older blocks than the latest ones say less of the time to come.
LATEST_BLOCKS = 10


def block_factors(
    residuals: Values,
    time: Int[np.ndarray, " windows"],
    blocks: int,
    levels: Sequence[float],
) -> Float[np.ndarray, "levels targets"]:
    """The block factor of each level and target, at least 1.

    It is 1 if there are less than two blocks, or too few windows in a block for half widths.

    Parameters
    ----------
    residuals : np.ndarray
        [windows, horizon, targets] forecast - observed on training windows, data units or multiples
        of them, NaN if not observed.
    time : [windows] int64
        Instant of the origin.
    blocks : int
        How many blocks the training split has; the latest `LATEST_BLOCKS` count.
    levels : sequence of float
        Percent, above 0 and below 100.
    """
    _, position = np.unique(time, return_inverse=True)
    block = position * blocks // (int(position.max(initial=0)) + 1)
    sizes = [
        np.abs(residuals[block == number])
        for number in range(max(0, blocks - LATEST_BLOCKS), blocks)
    ]
    widths = [half_widths(size, levels)[0] for size in sizes]
    factors = np.ones((len(levels), residuals.shape[2]))
    for index, target in np.ndindex(*factors.shape):
        ratios = _ratios(
            [size[..., target] for size in sizes], [width[index, :, target] for width in widths]
        )
        if len(ratios):
            factors[index, target] = max(
                1.0, np.quantile(ratios, levels[index] / 100, method="inverted_cdf")
            )
    return factors


def _ratios(
    sizes: Sequence[Float[np.ndarray, "_ horizon"]], widths: Sequence[Float[np.ndarray, " horizon"]]
) -> Float[np.ndarray, " ratios"]:
    """Errors of each block but the first in units of the half widths of the one before."""
    ratios = []
    for size, width in zip(sizes[1:], widths, strict=False):
        usable = (width > 0.0) & (width < np.inf)
        ratio = size[:, usable] / width[usable]
        ratios.append(ratio[np.isfinite(ratio)])
    return np.concatenate(ratios) if ratios else np.empty(0)
