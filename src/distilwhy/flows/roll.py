"""What is known of an experiment's rows since they were last gone through.

A million rows take a minute to read, to word and to check. So what came of that is kept in the run
folder, eight bytes a call, and holds as long as the experiment and the files that it names do.
"""

import hashlib
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from distilwhy.config import ExperimentConfig
from distilwhy.core.splits import SplitName
from distilwhy.core.task import Example, Task
from distilwhy.store.ledger import Ledger, head_of
from distilwhy.store.records import HubSplit, Source
from distilwhy.store.run import RunFolder, publish_arrays, read_arrays

_ASIDE = "aside"
_CHUNK = 65_536

Keys = Callable[[Example], Sequence[bytes]]


@dataclass(frozen=True)
class Roll:
    """Rows that were found to be in order, and their calls.

    Attributes:
        aside: Which rows of the train file are set aside for validation, a boolean for each;
            empty where none are.
        keys: For each split that is annotated ``(rows, samples)``: the first eight bytes of the
            key of each call.
    """

    aside: np.ndarray
    keys: Mapping[SplitName, np.ndarray]

    def missing(self, ledger: Ledger) -> dict[SplitName, np.ndarray]:
        """For each row of each split whether a call of it is not answered."""
        answered = ledger.answered_heads()
        missing = {}
        for name, keys in self.keys.items():
            is_answered = _among(keys.ravel(), answered).reshape(keys.shape)
            missing[name] = np.logical_not(is_answered.all(axis=1))
        return missing


def call_roll(
    aside: np.ndarray, splits: Mapping[SplitName, Iterable[Example]], keys: Keys, samples: int
) -> Roll:
    """Go through the rows that are annotated.

    Args:
        keys: Of a row's calls, one for each sample.
    """
    heads = {
        name: array("Q", (head_of(key) for e in rows for key in keys(e)))
        for name, rows in splits.items()
    }
    return Roll(aside, {n: np.array(found).reshape(-1, samples) for n, found in heads.items()})


def count_calls(heads: Iterable[np.ndarray]) -> int:
    """How many calls these keys are of: rows asked about in the same words share theirs."""
    every = np.concatenate([np.empty(0, np.uint64), *(found.ravel() for found in heads)])
    every.sort()
    return int(np.count_nonzero(every[1:] != every[:-1])) + (len(every) > 0)


def sign(config: ExperimentConfig, task: Task, sources: Iterable[Source]) -> str:
    """A digest of all that a roll depends on; "" where a source is not at hand to be looked at."""
    digest = hashlib.sha256(f"{config.model_dump_json()}\n{task}\n".encode(errors="replace"))
    for source in sources:
        if isinstance(source, HubSplit) or not source.is_file():
            return ""
        with source.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def keep_roll(folder: RunFolder, signature: str, roll: Roll) -> None:
    """Keep a roll for as long as its signature holds."""
    if signature:
        publish_arrays(folder.roll, signature, {_ASIDE: roll.aside, **roll.keys})


def find_roll(folder: RunFolder, signature: str) -> Roll | None:
    """The roll that was kept under a signature, if there is one."""
    arrays = read_arrays(folder.roll, signature) if signature else None
    if arrays is None:
        return None
    return Roll(arrays.pop(_ASIDE), arrays)


def is_stale(roll: Roll, splits: Mapping[SplitName, Iterable[Example]], keys: Keys) -> bool:
    """Whether the first rows are asked about in other words by now, as by another version."""
    firsts = {name: next(iter(rows), None) for name, rows in splits.items()}
    return any(
        [head_of(key) for key in keys(example)] != roll.keys[name][0].tolist()
        for name, example in firsts.items()
        if example is not None
    )


def _among(heads: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which of the ``heads`` are among those ``known``, which are sorted; some at a time, for
    what it takes meanwhile."""
    found = np.zeros(len(heads), bool)
    for start in range(0, len(heads) if len(known) else 0, _CHUNK):
        chunk = heads[start : start + _CHUNK]
        places = np.searchsorted(known, chunk).clip(max=len(known) - 1)
        found[start : start + _CHUNK] = known[places] == chunk
    return found
