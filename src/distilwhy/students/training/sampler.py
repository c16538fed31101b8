"""Which rows each step trains on, and with which of their targets.

Both are pure functions of the seed and the step. So an interrupted training resumes exactly, and
several processes agree without communicating.
"""

from collections.abc import Sequence
from random import Random

from distilwhy.students.encoding import DrawnRow, EncodedRow

WINDOW = 16


class BatchOrder:
    """The batches of a training, with rows of similar length together.

    Every epoch is a fresh shuffle. Rows left over from its last full batch are skipped.
    """

    def __init__(self, rows: Sequence[EncodedRow], batch_size: int, seed: int) -> None:
        self._rows = rows
        self._size = min(batch_size, len(rows))
        self._seed = seed
        self._epoch = -1
        self._batches: list[list[int]] = []

    def indices(self, step: int) -> list[int]:
        """The indices of the rows of a step, counted from 0."""
        epoch, place = divmod(step, len(self._rows) // self._size)
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, self._shuffled(epoch)
        return self._batches[place]

    def draw(self, step: int) -> list[DrawnRow]:
        """The rows of a step, each with the set of targets drawn for this epoch."""
        return [self._drawn(index) for index in self.indices(step)]

    def _drawn(self, index: int) -> DrawnRow:
        row = self._rows[index]
        if len(row.variants) == 1:
            return DrawnRow(row, row.variants[0])
        random = Random(f"{self._seed}:{self._epoch}:{index}")
        return DrawnRow(row, random.choice(row.variants))

    def _shuffled(self, epoch: int) -> list[list[int]]:
        """The batches of an epoch: windows of a shuffle, each sorted by length and cut up."""
        random = Random(f"{self._seed}:{epoch}")
        order = list(range(len(self._rows)))
        random.shuffle(order)
        order = order[: len(order) // self._size * self._size]
        window = WINDOW * self._size
        batches = []
        for start in range(0, len(order), window):
            rows = sorted(order[start : start + window], key=lambda i: self._rows[i].length)
            batches += [rows[i : i + self._size] for i in range(0, len(rows), self._size)]
        random.shuffle(batches)
        return batches


def split_batch(rows: Sequence[DrawnRow], parts: int) -> list[list[DrawnRow]]:
    """A batch in parts of equal size, give or take a row, and similar lengths."""
    return [list(rows[part::parts]) for part in range(parts)]
