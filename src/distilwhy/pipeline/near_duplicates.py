"""Finds texts that are nearly the same, by MinHash (Broder 1997, *On the resemblance and
containment of documents*).

Two texts are near-duplicates if at least ``SHARED`` of their words and pairs of neighbouring words
are in both, and their numbers are the same: "order 12" and "order 13" ask about two orders.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from zlib import crc32

from datasketch import MinHash, MinHashLSH

from distilwhy.core.exemplars import list_terms
from distilwhy.core.task import Example
from distilwhy.core.wording import counted
from distilwhy.pipeline.experiment import Experiment

SHARED = 0.7
_PERMUTATIONS = 64
# The index only estimates what texts share, so it also proposes texts that share less.
_PROPOSED = 0.5
# At most this many candidates are compared with a text.
_COMPARED = 50
# A plan compares at most this many of the first train and test rows, which takes seconds.
MOST_ROWS = 5_000


class NearDuplicateIndex:
    """Finds near-duplicates among the texts added so far."""

    def __init__(self) -> None:
        self._blank = MinHash(_PERMUTATIONS, hashfunc=int)
        self._index = MinHashLSH(_PROPOSED, _PERMUTATIONS)
        self._texts: list[_Text] = []

    def add(self, text: str) -> list[int]:
        """Add a text; the n-th one added has the number n, from 0.

        Returns:
            The numbers of texts added before that are near-duplicates of it, the earliest first.
        """
        return self._look_up(_Text(text), keep=True)

    def find(self, text: str) -> list[int]:
        """The numbers of texts that are near-duplicates of this one, the earliest first."""
        return self._look_up(_Text(text), keep=False)

    def _look_up(self, text: "_Text", *, keep: bool) -> list[int]:
        found: list[int] = []
        if text.terms:
            minhash = self._blank.copy()
            minhash.update_batch(list(text.terms))
            near = islice(sorted(self._index.query(minhash)), _COMPARED)
            found = [number for number in near if text.is_near(self._texts[number])]
            if keep:
                self._index.insert(len(self._texts), minhash, check_duplication=False)
        if keep:
            self._texts.append(text)
        return found


def group_near_duplicates(texts: Sequence[str]) -> list[list[int]]:
    """Positions in ``texts`` by group: near-duplicates of a member are in its group.

    A text without near-duplicates is a group by itself. Groups and their members are in order.
    """
    index, groups = NearDuplicateIndex(), list[list[int]]()
    for position, text in enumerate(texts):
        joined = {id(groups[other]): groups[other] for other in index.add(text)}
        group = [*sorted(member for found in joined.values() for member in found), position]
        groups.append(group)
        for member in group:
            groups[member] = group
    return [group for position, group in enumerate(groups) if group[0] == position]


def find_near_duplicates(
    texts: Iterable[str], among: Iterable[str] | None = None
) -> list[tuple[int, int]]:
    """Pairs of a position in ``texts`` and the first one in ``among`` that is nearly the same.

    Args:
        among: None to compare each text with those before it.
    """
    index, pairs = NearDuplicateIndex(), list[tuple[int, int]]()
    for text in among or ():
        index.add(text)
    for position, text in enumerate(texts):
        found = index.add(text) if among is None else index.find(text)
        pairs.extend((position, other) for other in found[:1])
    return pairs


def warn_of_near_duplicates(experiment: Experiment) -> Iterator[str]:
    """Warn of near-duplicates between train and test and within train, with an example of each."""
    train = list(islice(experiment.splits.train, MOST_ROWS))
    test = list(islice(experiment.splits.test, MOST_ROWS))
    texts = [example.text for example in train]
    if shared := find_near_duplicates((example.text for example in test), texts):
        yield (
            f"{counted(len(shared), 'near-duplicate')} of train rows in test, such as "
            f"{_name_pair(test, train, shared[0])}: a student may have learned their answers; "
            "remove them from one of the two"
        )
    if repeated := find_near_duplicates(texts):
        yield (
            f"{counted(len(repeated), 'near-duplicate')} within train, such as "
            f"{_name_pair(train, train, repeated[0])}"
        )


def _name_pair(rows: Sequence[Example], others: Sequence[Example], pair: tuple[int, int]) -> str:
    return f"{rows[pair[0]].id!r} of {others[pair[1]].id!r}"


class _Text:
    """Hashes of a text's words and pairs of words, and its numbers."""

    def __init__(self, text: str) -> None:
        words = list_terms(text)
        pairs = (" ".join(pair) for pair in pairwise(words))
        self.terms = {crc32(term.encode(errors="replace")) for term in (*words, *pairs)}
        self.numbers = sorted(word for word in words if word.isdecimal())

    def is_near(self, other: "_Text") -> bool:
        shared, either = len(self.terms & other.terms), len(self.terms | other.terms)
        return self.numbers == other.numbers and shared >= SHARED * either
