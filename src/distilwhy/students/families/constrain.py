"""Decoding constrained to the allowed labels."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, inf
from typing import Any

import torch
from transformers import LogitsProcessor

Trie = dict[int, Any]
Choices = Mapping[tuple[int, ...], str]
"""Choices by their token ids."""


@dataclass(frozen=True)
class AllowedLabels:
    """The labels that a row may have.

    Attributes:
        trie: The ids of the choices, each with the token that ends a label, as a prefix tree.
    """

    choices: Choices
    trie: Trie


def build_trie(sequences: Sequence[Sequence[int]]) -> Trie:
    """Token sequences as a prefix tree: each node maps a token to what may follow it."""
    trie: Trie = {}
    for ids in sequences:
        node = trie
        for token in ids:
            node = node.setdefault(token, {})
    return trie


@dataclass
class ConstrainLabels(LogitsProcessor):  # type: ignore[misc]
    """Restricts each row to its allowed labels, from where its label begins.

    It also follows the probability of each label: the product of those of its tokens and of the
    one that ends it, each among the tokens that were allowed in its place. Over a row's allowed
    labels these sum to 1. Decoding must be greedy.

    Attributes:
        tries: Each row's allowed labels; None where any text is allowed.
        start: The index of the first generated token.
        marker: The tokens before the label; empty where the label comes first.
        longest: After this many tokens without the marker, the marker is forced.
        end: The end-of-sequence token. Before the marker it is replaced by the marker.
        stops: The tokens that end a label.
    """

    tries: Sequence[Trie | None]
    start: int
    marker: list[int]
    longest: int
    end: int
    stops: Collection[int] = ()
    _logs: list[list[torch.Tensor]] = field(init=False)

    def __post_init__(self) -> None:
        self._logs = [[] for _ in self.tries]

    @property
    def confidences(self) -> list[float]:
        """The probability of each row's label, as far as it was written."""
        return [exp(float(sum(logs))) for logs in self._logs]

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.Tensor:
        for row, trie in enumerate(self.tries):
            generated = input_ids[row, self.start :].tolist()
            allowed = self._allowed(trie, generated)
            start = find_after(generated, self.marker)
            if start is None:
                first = self.marker[0]
                scores[row, first] = torch.maximum(scores[row, first], scores[row, self.end])
                scores[row, self.end] = float("-inf")
            if allowed is not None:
                kept = scores[row, allowed]
                scores[row] = float("-inf")
                scores[row, allowed] = kept
            if start is not None and not any(t in self.stops for t in generated[start:]):
                self._follow(row, scores[row].float() if allowed is None else kept.double())
        return scores

    def _follow(self, row: int, scores: torch.Tensor) -> None:
        """Note the log-probability of the row's next token, the best of these."""
        if len(scores) > 1:
            self._logs[row].append(scores.log_softmax(dim=-1).max())

    def _allowed(self, trie: Trie | None, generated: list[int]) -> list[int] | None:
        """The tokens that may come next; None for any."""
        start = find_after(generated, self.marker)
        if start is None:
            return self._forced(generated)
        if trie is None:
            return None
        node = trie
        for token in generated[start:]:
            node = node.get(token, {})
        return list(node) or None

    def _forced(self, generated: list[int]) -> list[int] | None:
        """The marker's next token, once the marker is due."""
        if len(generated) < self.longest:
            return None
        for length in range(len(self.marker) - 1, 0, -1):
            if generated[-length:] == self.marker[:length]:
                return [self.marker[length]]
        return [self.marker[0]]


class Margins(LogitsProcessor):  # type: ignore[misc]
    """Notes how clearly greedy decoding takes each token. It comes after all other processors.

    Attributes:
        least: For each row, the least difference between the two best scores, until it stops.
    """

    def __init__(self, rows: int, start: int, stops: Iterable[int]) -> None:
        self.least = [inf] * rows
        self._start, self._stops = start, frozenset(stops)

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.Tensor:
        best, other = scores.float().topk(2, dim=-1).values.unbind(dim=-1)
        for row, margin in enumerate((best - other).tolist()):
            if self._stops.isdisjoint(input_ids[row, self._start :].tolist()):
                self.least[row] = min(self.least[row], margin)
        return scores


def find_after(ids: Sequence[int], marker: Sequence[int]) -> int | None:
    """The index after the first ``marker`` in ``ids``; None if it is not there."""
    wanted = list(marker)
    for at in range(len(ids) - len(wanted) + 1):
        if list(ids[at : at + len(wanted)]) == wanted:
            return at + len(wanted)
    return None
