"""Decoding that may only write what is an answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import LogitsProcessor

Trie = dict[int, Any]
Choices = Mapping[tuple[int, ...], str]
"""Choices by the ids that are written for them."""


@dataclass(frozen=True)
class AllowedLabels:
    """What a row's label may be.

    Attributes:
        choices: By their ids.
        trie: The same ids, each with what ends a label, as a tree of what may follow what.
    """

    choices: Choices
    trie: Trie


def build_trie(choices: Sequence[Sequence[int]]) -> Trie:
    """The token ids of several choices as a tree of what may follow what."""
    trie: Trie = {}
    for ids in choices:
        node = trie
        for token in ids:
            node = node.setdefault(token, {})
    return trie


class Constrained(LogitsProcessor):  # type: ignore[misc]
    """Lets each row write one of its choices alone, once its label has begun.

    Args:
        tries: For each row what its label may be; None where it may be anything.
        start: Where in the ids the student began to write.
        marker: The ids after which the label begins; empty where it begins at once.
        longest: After so many ids without the marker, the marker is forced.
        end: The id that ends all. To write it before the marker is to begin the marker.
    """

    def __init__(
        self,
        tries: Sequence[Trie | None],
        start: int,
        marker: Sequence[int],
        longest: int,
        end: int,
    ) -> None:
        self._tries, self._start, self._longest, self._end = tries, start, longest, end
        self._marker = list(marker)

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.Tensor:
        for row, trie in enumerate(self._tries):
            written = input_ids[row, self._start :].tolist()
            allowed = self._allowed(trie, written)
            if find(written, self._marker) is None:
                first = self._marker[0]
                scores[row, first] = torch.maximum(scores[row, first], scores[row, self._end])
                scores[row, self._end] = float("-inf")
            if allowed is not None:
                kept = scores[row, allowed]
                scores[row] = float("-inf")
                scores[row, allowed] = kept
        return scores

    def _allowed(self, trie: Trie | None, written: list[int]) -> list[int] | None:
        """The ids that may follow; None where any may."""
        begun = find(written, self._marker)
        if begun is None:
            return self._force(written)
        if trie is None:
            return None
        node = trie
        for token in written[begun:]:
            node = node.get(token, {})
        return list(node) or None

    def _force(self, written: list[int]) -> list[int] | None:
        """The next id of the marker, where it is time for it."""
        if len(written) < self._longest:
            return None
        for length in range(len(self._marker) - 1, 0, -1):
            if written[-length:] == self._marker[:length]:
                return [self._marker[length]]
        return [self._marker[0]]


def find(ids: Sequence[int], marker: Sequence[int]) -> int | None:
    """Where in ``ids`` what follows the first ``marker`` begins; None where it is not there."""
    wanted = list(marker)
    for at in range(len(ids) - len(wanted) + 1):
        if list(ids[at : at + len(wanted)]) == wanted:
            return at + len(wanted)
    return None
