"""Train, validation and test rows, and the checks that keep them disjoint."""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import compress

import numpy as np

from distilwhy.core.task import Example
from distilwhy.core.wording import counted
from distilwhy.errors import DataError

SplitName = str
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")

Files = Mapping[SplitName, str]
_Content = tuple[str, tuple[str, ...]]


@dataclass(frozen=True)
class Splits:
    """The rows of an experiment. They need not be in memory; only ``test`` may be empty."""

    train: Sequence[Example]
    validation: Sequence[Example]
    test: Sequence[Example]

    def named(self, name: SplitName) -> Sequence[Example]:
        """The rows of ``train``, ``validation`` or ``test``."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]

    def all(self) -> Iterator[Example]:
        """All rows, one split after another."""
        return (example for name in SPLITS for example in self.named(name))


def set_aside(
    examples: Sequence[Example], share: float
) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Split off a share for validation: ``(train, validation)``, each in the given order."""
    chosen = choose_aside(examples, share)
    return tuple(compress(examples, ~chosen)), tuple(compress(examples, chosen))


def choose_aside(examples: Sequence[Example], share: float) -> np.ndarray:
    """A mask of the rows to set aside.

    Rows are ranked by a hash of their text, so the choice does not depend on their order and
    hardly changes when rows are added.
    """
    hashes = (sha256(example.text.encode()).digest()[:8] for example in examples)
    ranks = np.array(array("Q", map(int.from_bytes, hashes)))
    count = min(max(1, round(share * len(ranks))), len(ranks) - 1)
    last = np.partition(ranks, count - 1)[count - 1]
    chosen: np.ndarray = ranks < last
    # Rows with the same text have the same rank; ids break the tie.
    tied = np.flatnonzero(ranks == last)
    if len(tied) > 1:
        tied = np.array(sorted(tied, key=lambda place: examples[int(place)].id))
    chosen[tied[: count - int(chosen.sum())]] = True
    return chosen


def check_splits(splits: Splits, files: Files) -> None:
    """Refuse splits that would make scores meaningless.

    All rows are read once, and only hashes of them are kept. Rows whose hashes agree are compared.

    Raises:
        DataError: naming one of ``files``, if a split is empty, an id is used twice, or a test
            row is also in train or validation.
    """
    tested = {hash(_content(example)) for example in splits.test}
    hashes, suspects = array("q"), dict[_Content, tuple[str, SplitName]]()
    for name in SPLITS:
        before = len(hashes)
        for example in splits.named(name):
            hashes.append(hash(example.id))
            if name != "test" and tested and hash(content := _content(example)) in tested:
                suspects[content] = example.id, name
        if name != "test" and len(hashes) == before:
            raise DataError(f"{files[name]}: the {name} split is empty; give it rows")
    _refuse_duplicates(splits, np.sort(np.array(hashes)), files)
    for example in splits.test if suspects else ():
        if found := suspects.get(_content(example)):
            raise DataError(
                f"{files['test']}: test row {example.id!r} is also in {found[1]}, as {found[0]!r}; "
                "remove it from one of them"
            )


def find_shared(examples: Sequence[Example], others: Iterable[Example]) -> list[tuple[str, str]]:
    """The ids of examples that are also among others, each with the id that it has there."""
    held: dict[_Content, list[str]] = {}
    for example in examples:
        held.setdefault(_content(example), []).append(example.id)
    found: dict[str, str] = {}
    for other in others:
        for own in held.get(_content(other), ()):
            found.setdefault(own, other.id)
    return list(found.items())


def describe_shared(shared: Sequence[tuple[str, str]]) -> str:
    """Says which validation rows are also in train, from what ``find_shared`` found."""
    own, other = shared[0]
    are = "is" if len(shared) == 1 else "are"
    return (
        f"{counted(len(shared), 'validation row')} {are} also in train, such as {own!r} ({other!r} "
        "in train), which inflates the accuracy that selects the checkpoint; remove them from "
        "one of the two"
    )


def _refuse_duplicates(splits: Splits, hashes: np.ndarray, files: Files) -> None:
    twice = set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())
    seen: dict[str, SplitName] = {}
    for name in SPLITS if twice else ():
        for example in splits.named(name):
            if example.id in seen:
                raise DataError(
                    f"{files[name]}: id {example.id!r} is used twice (in {seen[example.id]} and "
                    f"in {name}); give each row its own id"
                )
            if hash(example.id) in twice:
                seen[example.id] = name


def _content(example: Example) -> _Content:
    return " ".join(example.text.split()).lower(), example.options
