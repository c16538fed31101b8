"""Collects garbage less often while many objects are made that are kept."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

THRESHOLD = 100_000


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Scan for garbage less often: tens of thousands of objects, none of them garbage, would be
    scanned again and again."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(THRESHOLD, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
