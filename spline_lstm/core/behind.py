"""One thread behind the caller: it works on one item while the caller makes the next one."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def work_behind(items: Iterable[Item], work: Callable[[Item], None]) -> None:
    """Call `work` on every item, in their order and one at a time, while the next item is made.

    Two items at most are in memory. An error, of the items or of the work, ends both and is raised.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        pending = None
        for item in items:
            if pending is not None:
                pending.result()
            pending = pool.submit(work, item)
        if pending is not None:
            pending.result()
