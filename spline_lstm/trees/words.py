"""A probability in words."""

from bisect import bisect
from collections.abc import Sequence

WORDS = ("unlikely", "possible", "likely", "very likely")


def word_of(probability: float, limits: Sequence[float]) -> str:
    """The word of a probability; `limits` are those from which on each word but the first holds.

    >>> [word_of(p, (0.2, 0.4, 0.6)) for p in (0.1, 0.2, 0.5, 0.9)]
    ['unlikely', 'possible', 'likely', 'very likely']
    """
    return WORDS[bisect(limits, probability)]
