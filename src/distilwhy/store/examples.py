"""Rows that are too many to keep in memory."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import compress, islice, repeat
from typing import overload

import numpy as np

from distilwhy.core.task import Example, Task
from distilwhy.store.records import Source, read_examples, read_rows, stream_examples

KEPT = 50_000


class ExamplesOnDisk(Sequence[Example]):
    """The rows of a source, read from it and worded anew each time.

    Args:
        wanted: For each row of the source whether it is one of these; None: all are.
    """

    def __init__(self, source: Source, task: Task, wanted: np.ndarray | None = None) -> None:
        self._source = source
        self._task = task
        self._wanted = wanted

    def __iter__(self) -> Iterator[Example]:
        if self._wanted is not None and not self._wanted.any():
            return
        wanted = repeat(True) if self._wanted is None else self._wanted
        for example, _ in stream_examples(self._source, self._task, wanted):
            yield example

    def __len__(self) -> int:
        return self._length

    @cached_property
    def _length(self) -> int:
        if self._wanted is not None:
            return int(self._wanted.sum())
        return sum(1 for _ in read_rows(self._source))

    @overload
    def __getitem__(self, index: int) -> Example: ...

    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...

    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        if isinstance(index, int) and index >= 0:
            for example in islice(self, index, None):
                return example
            raise IndexError(f"no row {index}")
        places = range(len(self))[index]
        if isinstance(places, int):
            return self[places]
        picked = np.zeros(len(self), bool)
        picked[places] = True
        found = list(self.where(picked))
        return found if places.step > 0 else found[::-1]

    def where(self, picked: np.ndarray) -> "ExamplesOnDisk":
        """Those of these rows that are picked, by a boolean for each."""
        if self._wanted is None:
            return ExamplesOnDisk(self._source, self._task, picked)
        wanted = self._wanted.copy()
        wanted[self._wanted] = picked
        return ExamplesOnDisk(self._source, self._task, wanted)


def open_examples(source: Source, task: Task) -> Sequence[Example]:
    """Every row of a source: in memory where there are few, else read anew each time.

    Raises:
        DataError: as ``read_examples``; of many rows, broken and doubled ones are found when
            they are gone through.
    """
    rows = sum(1 for _ in islice(read_rows(source), KEPT + 1))
    return ExamplesOnDisk(source, task) if rows > KEPT else tuple(read_examples(source, task))


def pick(examples: Sequence[Example], picked: np.ndarray) -> Sequence[Example]:
    """Those rows that are picked, by a boolean for each; on the disk if they are."""
    if isinstance(examples, ExamplesOnDisk):
        return examples.where(picked)
    return tuple(compress(examples, picked))
