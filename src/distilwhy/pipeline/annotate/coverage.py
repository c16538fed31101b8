"""What is known of an experiment's rows since they were last gone through.

A million rows take a minute to read, to word and to check. So what came of that is kept in the run
folder, a dozen bytes a call, and holds as long as the experiment and the files that it names do.
"""

import hashlib
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from distilwhy.config import ExperimentConfig
from distilwhy.core.splits import SplitName
from distilwhy.core.task import Example, Task
from distilwhy.pipeline.annotate.call import Call
from distilwhy.store.ledger import Ledger, head_of
from distilwhy.store.records import HubSplit, Source
from distilwhy.store.run import RunFolder, publish_arrays, read_arrays

_ASIDE = "aside"
_SIZES = "sizes of "
_CHUNK = 65_536

Calls = Callable[[Example], Sequence[Call]]
Picked = Mapping[SplitName, np.ndarray]


@dataclass(frozen=True)
class CallIndex:
    """Rows that were found to be in order, and their calls.

    Attributes:
        aside: Which rows of the train file are set aside for validation, a boolean for each;
            empty where none are.
        keys: For each split that is annotated ``(rows, samples)``: the first eight bytes of the
            key of each call.
        sizes: For each of them ``(rows,)``: the bytes of a row's prompt.
    """

    aside: np.ndarray
    keys: Picked
    sizes: Picked

    def stand(self, ledger: Ledger) -> "Coverage":
        """How its calls stand in a ledger."""
        answered, batched = ledger.answered_heads(), ledger.batched_heads()
        is_answered = {name: _among(keys, answered) for name, keys in self.keys.items()}
        is_batched = {
            name: _among(keys, batched) & ~is_answered[name] for name, keys in self.keys.items()
        }
        return Coverage(self, is_answered, is_batched, len(answered) + len(batched))


@dataclass(frozen=True)
class Coverage:
    """Which calls of a roll have been answered.

    Attributes:
        roll: The calls.
        is_answered: For each split ``(rows, samples)`` booleans.
        is_under_way: The same: whether a call is in a batch, and has no answer yet.
        known: How many calls the ledger answers or has in batches, these and others.
    """

    roll: CallIndex
    is_answered: Picked
    is_under_way: Picked
    known: int

    @property
    def calls(self) -> int:
        """How many calls there are: rows asked about in the same words share theirs."""
        return count_distinct(self.roll.keys.values())

    @cached_property
    def answered(self) -> int:
        """How many of them have an answer."""
        return count_distinct(k[self.is_answered[name]] for name, k in self.roll.keys.items())

    @cached_property
    def under_way(self) -> int:
        """How many are in batches."""
        return count_distinct(k[self.is_under_way[name]] for name, k in self.roll.keys.items())

    @property
    def has_others(self) -> bool:
        """Whether the ledger holds answers to other calls, or has others in batches."""
        return self.known > self.answered + self.under_way

    @property
    def is_missing(self) -> dict[SplitName, np.ndarray]:
        """For each split ``(rows, samples)`` booleans: whether a call is still to be made."""
        return {name: ~(self.is_under_way[name] | done) for name, done in self.is_answered.items()}


def build_index(
    aside: np.ndarray, splits: Mapping[SplitName, Iterable[Example]], calls: Calls, samples: int
) -> CallIndex:
    """Go through the rows that are annotated.

    Args:
        calls: A row's calls, one for each sample.
    """
    keys: dict[SplitName, np.ndarray] = {}
    sizes: dict[SplitName, np.ndarray] = {}
    for name, rows in splits.items():
        heads, lengths = array("Q"), array("I")
        for example in rows:
            asked = calls(example)
            heads.extend(head_of(call.key) for call in asked)
            lengths.append(asked[0].prompt.size)
        keys[name], sizes[name] = np.array(heads).reshape(-1, samples), np.array(lengths)
    return CallIndex(aside, keys, sizes)


def thin(picked: Picked, most: int) -> dict[SplitName, np.ndarray]:
    """At most so many of the rows that are picked, evenly from the first to the last of all."""
    every = np.concatenate([np.zeros(0, bool), *picked.values()])
    places = np.flatnonzero(every)
    count = min(most, len(places))
    few = np.zeros(len(every), bool)
    few[places[np.arange(count) * len(places) // max(1, count)]] = True
    ends = np.cumsum([len(rows) for rows in picked.values()], dtype=int)
    return dict(zip(picked, np.split(few, ends), strict=False))


def count_distinct(heads: Iterable[np.ndarray]) -> int:
    """How many calls these keys are of."""
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


def save_index(folder: RunFolder, signature: str, roll: CallIndex) -> None:
    """Keep a roll for as long as its signature holds."""
    if signature:
        sizes = {f"{_SIZES}{name}": found for name, found in roll.sizes.items()}
        publish_arrays(folder.roll, signature, {_ASIDE: roll.aside, **roll.keys, **sizes})


def load_index(
    folder: RunFolder, signature: str, annotated: Iterable[SplitName]
) -> CallIndex | None:
    """The roll of some splits that was kept under a signature, if there is one."""
    arrays = read_arrays(folder.roll, signature) if signature else None
    if arrays is None:
        return None
    try:
        keys = {name: arrays[name] for name in annotated}
        return CallIndex(arrays[_ASIDE], keys, {name: arrays[f"{_SIZES}{name}"] for name in keys})
    except KeyError:  # another version kept it
        return None


def is_stale(roll: CallIndex, splits: Mapping[SplitName, Iterable[Example]], calls: Calls) -> bool:
    """Whether the first rows are asked about in other words by now, as by another version."""
    firsts = {name: next(iter(rows), None) for name, rows in splits.items()}
    return any(
        [head_of(call.key) for call in calls(example)] != roll.keys[name][0].tolist()
        for name, example in firsts.items()
        if example is not None
    )


def _among(keys: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which of the ``keys`` are among those ``known``, which are sorted; some at a time, for
    what it takes meanwhile."""
    heads = keys.ravel()
    found = np.zeros(len(heads), bool)
    for start in range(0, len(heads) if len(known) else 0, _CHUNK):
        chunk = heads[start : start + _CHUNK]
        places = np.searchsorted(known, chunk).clip(max=len(known) - 1)
        found[start : start + _CHUNK] = known[places] == chunk
    return found.reshape(keys.shape)
