"""Pages of arrays that are mapped into memory: what was read is given back to the system.

A mapped page counts as memory of the process for as long as the system has no other use for it. A
pass over arrays of any size gives its pages back as it goes, so that what a process takes depends
on the pass, not on the arrays. The values stay where they are, in the cache of the system or in
the file.
"""

import mmap
from collections.abc import Callable, Iterator
from dataclasses import fields

import numpy as np
from jaxtyping import Int

from spline_lstm.windows.arrays import AsOfArrays

Origins = Int[np.ndarray, " windows"]

# Rows that a pass over all rows looks at together; a panel of fewer rows is one block.
PASS_ROWS = 1 << 23
# Windows that are gathered from mapped arrays before their pages are given back. A system maps 16
# pages around each that is read: of windows far apart some 0.5 MB each.
PIECE_WINDOWS = 2048


def mapping_of(array: np.ndarray) -> mmap.mmap | None:
    """The mapping that an array, or the array it is a view of, lies in; None if in none.

    >>> mapping_of(np.arange(3)) is None
    True
    """
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None


def release(arrays: AsOfArrays) -> None:
    """Give the pages of mapped arrays back; arrays that are not mapped stay as they are."""
    for item in fields(arrays):
        mapping = mapping_of(getattr(arrays, item.name))
        # Not every system has it.
        if mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
            mapping.madvise(mmap.MADV_DONTNEED)


def in_pieces(
    arrays: AsOfArrays, gather: Callable[[Origins], tuple[np.ndarray, ...]], origins: Origins
) -> tuple[np.ndarray, ...]:
    """What `gather` gives for the windows at `origins`, of mapped arrays piece by piece.

    `gather` returns arrays with a row for each window, which depends on nothing but that window.
    """
    if mapping_of(arrays.timestamps) is None:
        return gather(origins)
    parts = []
    for start in range(0, max(len(origins), 1), PIECE_WINDOWS):
        parts.append(gather(origins[start : start + PIECE_WINDOWS]))
        release(arrays)
    if len(parts) == 1:
        return parts[0]
    return tuple(np.concatenate(pieces) for pieces in zip(*parts, strict=True))


def passing(arrays: AsOfArrays) -> Iterator[slice]:
    """All rows as slices of at most `PASS_ROWS` rows; the pages of each are given back after it."""
    rows = len(arrays.timestamps)
    for start in range(0, max(rows, 1), PASS_ROWS):
        yield slice(start, min(start + PASS_ROWS, rows))
        release(arrays)
