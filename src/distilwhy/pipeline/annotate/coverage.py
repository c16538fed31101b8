"""Which calls the rows of an experiment need, and which of them the ledger answers.

Reading, rendering and checking a million rows takes a minute. So the result is kept in the run
folder, a dozen bytes a call, for as long as the experiment and the files that it names stay as
they are.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from distilwhy.core.splits import SplitName
from distilwhy.core.task import Example
from distilwhy.pipeline.annotate.calls import CallBuilder
from distilwhy.pipeline.experiment import Experiment
from distilwhy.store.examples_on_disk import pick
from distilwhy.store.files import cache_arrays, read_arrays
from distilwhy.store.ledger import Ledger, head_of
from distilwhy.store.run_folder import ASIDE, RunFolder

_SIZES = "sizes of "
_CHUNK = 65_536

BySplit = Mapping[SplitName, np.ndarray]


@dataclass(frozen=True)
class CallIndex:
    """The calls that some rows need, by their keys.

    Attributes:
        keys: ``(rows, samples)`` for each annotated split: the first eight bytes of each call's
            key.
        sizes: ``(rows,)`` for each annotated split: the bytes of each row's prompt.
    """

    keys: BySplit
    sizes: BySplit

    def compare(self, ledger: Ledger) -> "Coverage":
        """Look the calls up in a ledger."""
        answered, batched = ledger.answered_heads(), ledger.batched_heads()
        is_answered = {name: _among(keys, answered) for name, keys in self.keys.items()}
        is_batched = {
            name: _among(keys, batched) & ~is_answered[name] for name, keys in self.keys.items()
        }
        return Coverage(self, is_answered, is_batched, len(answered) + len(batched))


@dataclass(frozen=True)
class Coverage:
    """Which of the indexed calls are answered.

    Attributes:
        is_answered: ``(rows, samples)`` booleans for each annotated split.
        is_batched: The same: whether a call is in a batch that has not ended.
        in_ledger: How many calls the ledger answers or has in batches, these and others.
    """

    index: CallIndex
    is_answered: BySplit
    is_batched: BySplit
    in_ledger: int

    @property
    def calls(self) -> int:
        """How many different calls there are. Rows with the same prompt share theirs."""
        return count_distinct(self.index.keys.values())

    @cached_property
    def answered(self) -> int:
        """How many of them are answered."""
        return count_distinct(k[self.is_answered[name]] for name, k in self.index.keys.items())

    @cached_property
    def batched(self) -> int:
        """How many of them are in batches."""
        return count_distinct(k[self.is_batched[name]] for name, k in self.index.keys.items())

    @property
    def has_others(self) -> bool:
        """Whether the ledger holds other calls too."""
        return self.in_ledger > self.answered + self.batched

    @property
    def is_missing(self) -> dict[SplitName, np.ndarray]:
        """``(rows, samples)`` booleans for each split: whether a call is still to be made."""
        return {name: ~(self.is_batched[name] | done) for name, done in self.is_answered.items()}

    @property
    def is_open(self) -> dict[SplitName, np.ndarray]:
        """``(rows,)`` booleans for each split: whether a row lacks an answer."""
        return {name: ~np.all(answered, axis=1) for name, answered in self.is_answered.items()}


def find_coverage(experiment: Experiment, calls: CallBuilder, ledger: Ledger) -> Coverage:
    """Which of an experiment's calls for answers the ledger holds."""
    folder, signature, splits = experiment.folder, experiment.signature, experiment.annotated
    index = _load(folder, signature, splits)
    if index is None or _is_stale(index, splits, calls):
        index = _build(splits, calls)
        if signature and folder.path.is_dir():
            sizes = {f"{_SIZES}{name}": found for name, found in index.sizes.items()}
            arrays = {ASIDE: experiment.aside, **index.keys, **sizes}
            cache_arrays(folder.call_index, signature, arrays)
    return index.compare(ledger)


def spread(picked: BySplit, most: int) -> dict[SplitName, np.ndarray]:
    """At most ``most`` of the picked rows, spread evenly from the first to the last of all."""
    every = np.concatenate([np.zeros(0, bool), *picked.values()])
    places = np.flatnonzero(every)
    count = min(most, len(places))
    few = np.zeros(len(every), bool)
    few[places[np.arange(count) * len(places) // max(1, count)]] = True
    ends = np.cumsum([len(rows) for rows in picked.values()], dtype=int)
    return dict(zip(picked, np.split(few, ends), strict=False))


def spread_rows(splits: Mapping[SplitName, Sequence[Example]], most: int) -> list[Example]:
    """At most ``most`` of the rows of some splits, spread evenly from the first to the last."""
    picked = spread({name: np.ones(len(rows), bool) for name, rows in splits.items()}, most)
    return [example for name, rows in splits.items() for example in pick(rows, picked[name])]


def count_distinct(heads: Iterable[np.ndarray]) -> int:
    """How many different calls some arrays of key heads are of."""
    every = np.concatenate([np.empty(0, np.uint64), *(found.ravel() for found in heads)])
    every.sort()
    return int(np.count_nonzero(every[1:] != every[:-1])) + (len(every) > 0)


def _build(splits: Mapping[SplitName, Iterable[Example]], calls: CallBuilder) -> CallIndex:
    keys: dict[SplitName, np.ndarray] = {}
    sizes: dict[SplitName, np.ndarray] = {}
    for name, rows in splits.items():
        heads, lengths = array("Q"), array("I")
        for example in rows:
            asked = calls.answer_calls(example)
            heads.extend(head_of(call.key) for call in asked)
            lengths.append(asked[0].prompt.size)
        keys[name] = np.array(heads).reshape(-1, calls.config.samples)
        sizes[name] = np.array(lengths)
    return CallIndex(keys, sizes)


def _load(folder: RunFolder, signature: str, splits: Iterable[SplitName]) -> CallIndex | None:
    """The index that was kept under a signature; None if there is none."""
    arrays = read_arrays(folder.call_index, signature) if signature else None
    if arrays is None:
        return None
    try:
        keys = {name: arrays[name] for name in splits}
        return CallIndex(keys, {name: arrays[f"{_SIZES}{name}"] for name in keys})
    except KeyError:  # another version kept it
        return None


def _is_stale(
    index: CallIndex, splits: Mapping[SplitName, Iterable[Example]], calls: CallBuilder
) -> bool:
    """Whether the first row of a split has another prompt by now, as in another version."""
    firsts = {name: next(iter(rows), None) for name, rows in splits.items()}
    return any(
        [head_of(call.key) for call in calls.answer_calls(example)] != index.keys[name][0].tolist()
        for name, example in firsts.items()
        if example is not None
    )


def _among(keys: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which of the ``keys`` are in ``known``, which is sorted. Done in chunks, to save memory."""
    heads = keys.ravel()
    found = np.zeros(len(heads), bool)
    for start in range(0, len(heads) if len(known) else 0, _CHUNK):
        chunk = heads[start : start + _CHUNK]
        places = np.searchsorted(known, chunk).clip(max=len(known) - 1)
        found[start : start + _CHUNK] = known[places] == chunk
    return found.reshape(keys.shape)
