"""Pages of arrays that are mapped into memory: what was read is given back to the system.

A mapped page counts as memory of the process for as long as the system has no other use for it. A
pass over arrays of any size gives its pages back as it goes, so that what a process takes depends
on the pass, not on the arrays. The values stay where they are, in the cache of the system or in
the file.
"""

import mmap
from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Int

from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.stored_rows import stored_in

Origins = Int[np.ndarray, " windows"]

# Rows that a pass over all rows looks at together; a panel of fewer rows is one block.
PASS_ROWS = 1 << 23
# Windows that are gathered from mapped arrays before their pages are given back. A system maps 16
# pages around each that is read: of windows far apart some 0.5 MB each.
PIECE_WINDOWS = 2048


def is_mapped(arrays: AsOfArrays) -> bool:
    """Whether rows are read from disk as they are used."""
    return stored_in(arrays.timestamps) is not None


def release(arrays: AsOfArrays) -> None:
    """Give the pages of mapped arrays back; arrays that are not mapped stay as they are."""
    stored = stored_in(arrays.timestamps)
    # Not every system has it.
    if stored is None or not hasattr(mmap, "MADV_DONTNEED"):
        return
    for mapping in stored.mappings():
        mapping.madvise(mmap.MADV_DONTNEED)


def in_pieces(
    arrays: AsOfArrays, gather: Callable[[Origins], tuple[np.ndarray, ...]], origins: Origins
) -> tuple[np.ndarray, ...]:
    """What `gather` gives for the windows at `origins`, of mapped arrays piece by piece.

    `gather` returns arrays with a row for each window, which depends on nothing but that window.
    """
    if not is_mapped(arrays):
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
