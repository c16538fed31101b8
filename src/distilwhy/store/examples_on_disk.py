"""Examples that are too many to keep in memory."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import compress, islice, repeat
from typing import overload

import numpy as np

from distilwhy.core.task import Example, Task
from distilwhy.store.examples import iterate_examples, read_examples
from distilwhy.store.rows import Source, read_rows

MOST_IN_MEMORY = 50_000


class ExamplesOnDisk(Sequence[Example]):
    """The rows of a source, read again at each iteration.

    Args:
        mask: ``(rows of the source,)`` booleans: whether a row is one of these; None: all are.
    """

    def __init__(self, source: Source, task: Task, mask: np.ndarray | None = None) -> None:
        self._source = source
        self._task = task
        self._mask = mask

    def __iter__(self) -> Iterator[Example]:
        if self._mask is not None and not self._mask.any():
            return
        mask = repeat(True) if self._mask is None else self._mask
        for example, _ in iterate_examples(self._source, self._task, mask):
            yield example

    def __len__(self) -> int:
        return self._length

    @cached_property
    def _length(self) -> int:
        if self._mask is not None:
            return int(self._mask.sum())
        return sum(1 for _ in read_rows(self._source))

    @overload
    def __getitem__(self, index: int) -> Example: ...

    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...

    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        if isinstance(index, slice):
            picked = np.zeros(len(self), bool)
            picked[index] = True
            found = list(self.where(picked))
            return found if (index.step or 1) > 0 else found[::-1]
        if index < 0:
            index += len(self)
        for example in islice(self, index, None):
            return example
        raise IndexError(f"no row {index}")

    def where(self, picked: np.ndarray) -> "ExamplesOnDisk":
        """Those of these rows that are picked, by a boolean for each."""
        if self._mask is None:
            return ExamplesOnDisk(self._source, self._task, picked)
        mask = self._mask.copy()
        mask[self._mask] = picked
        return ExamplesOnDisk(self._source, self._task, mask)


def open_examples(source: Source, task: Task) -> Sequence[Example]:
    """Every row of a source: up to ``MOST_IN_MEMORY`` in memory, more on the disk.

    Raises:
        DataError: as ``read_examples``. Of rows on the disk, broken ones are found when they are
            read, and duplicate ids by ``check_splits``.
    """
    is_large = any(True for _ in islice(read_rows(source), MOST_IN_MEMORY, None))
    return ExamplesOnDisk(source, task) if is_large else tuple(read_examples(source, task))


def pick(examples: Sequence[Example], picked: np.ndarray) -> Sequence[Example]:
    """Those rows that are picked, by a boolean for each; on the disk if ``examples`` are."""
    if isinstance(examples, ExamplesOnDisk):
        return examples.where(picked)
    return tuple(compress(examples, picked))
