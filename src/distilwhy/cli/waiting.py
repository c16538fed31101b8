"""A word where a command is silent for long."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

from distilwhy.students.training.distributed import is_main

SILENT_S = 3.0


@contextmanager
def while_silent(line: str) -> Iterator[None]:
    """Say a line if what is done here takes longer than a person waits without one."""
    timer = Timer(SILENT_S, lambda: sys.stderr.write(f"{line}\n"))
    timer.daemon = True
    if is_main():
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
