"""Greedy decoding by a runtime that continues token sequences."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp

import torch

from distilwhy.core.method import TargetTask
from distilwhy.core.task import Example
from distilwhy.students.families.choosing.label_walk import LabelWalk
from distilwhy.students.families.codec import TargetCodec
from distilwhy.students.families.constrain import AllowedLabels
from distilwhy.students.families.generate import allowed_labels
from distilwhy.students.network import Generated
from distilwhy.students.spec import StudentSpec

Ids = list[int]


@dataclass(frozen=True)
class Decoded:
    """What a runtime writes after some tokens.

    Attributes:
        ids: The tokens, without the one that ended them.
        log_probability: Of these tokens and of the one that ended them.
        logits: ``[vocabulary]``: of the first of them; None if they were not asked for.
    """

    ids: Ids
    log_probability: float
    logits: torch.Tensor | None = None


class Decoder(ABC):
    """Continues, for the rows of a batch, what was written so far."""

    @abstractmethod
    def extend(
        self,
        rows: Sequence[int],
        written: Sequence[Ids],
        longest: int,
        stops: Sequence[int],
        *,
        wants_logits: bool = False,
    ) -> list[Decoded]:
        """Greedy continuations of sequences of one length.

        Args:
            rows: The row of the batch that each belongs to.
            longest: The most tokens of a sequence with its continuation.
            stops: The tokens that end a continuation.
        """

    def complete(self, written: Sequence[Ids], longest: int, stops: Sequence[int]) -> list[Decoded]:
        """A continuation for every row."""
        found = [Decoded([], 0.0)] * len(written)
        for places in _by_length(written):
            extended = self.extend(places, [written[i] for i in places], longest, stops)
            for place, one in zip(places, extended, strict=True):
                found[place] = one
        return found

    def walk(self, walks: Sequence[LabelWalk], written: Sequence[Ids], end: int) -> None:
        """Finish the walks, one for every row, behind what is written."""
        while rows := [row for row, walk in enumerate(walks) if not walk.is_done]:
            so_far = [[*written[row], *walks[row].ids] for row in rows]
            for places in _by_length(so_far):
                some, ids = [rows[i] for i in places], [so_far[i] for i in places]
                extended = self.extend(some, ids, len(ids[0]) + 1, [end], wants_logits=True)
                for row, one in zip(some, extended, strict=True):
                    assert one.logits is not None
                    walks[row].choose(one.logits)


@dataclass(frozen=True)
class Writer:
    """What a student writes for the rows of a batch, as ``families.generate`` has torch write it.

    The label's marker is one token where the rationale comes first.
    """

    decoder: Decoder
    codec: TargetCodec
    spec: StudentSpec

    def write(self, task: TargetTask, examples: Sequence[Example]) -> list[Generated]:
        """Each row's answer; a choice is always one of the choices."""
        allowed = allowed_labels(self.codec, self.spec, examples)
        if task == "rationale" and self._place != "before":
            return self._decode(task, self._explain(allowed), allowed)
        opening = self._open_labels(allowed)
        found = self._answer(opening, allowed)
        texts = [[*ids, *one.ids] for ids, one in zip(opening, found, strict=True)]
        return [
            replace(one, confidence=exp(label.log_probability))
            for one, label in zip(self._decode(task, texts, allowed), found, strict=True)
        ]

    def _open_labels(self, allowed: Sequence[AllowedLabels | None]) -> list[Ids]:
        """What comes before each label: nothing, the prefix, or the rationale and a marker."""
        prefix, marker = self.codec.prefix, self.codec.label_marker
        if self._place != "before":
            # The tokens of a choice begin with the prefix.
            return [[] if labels else prefix for labels in allowed]
        most = self.spec.config.max_rationale_tokens
        stops = [self.codec.end, *marker]
        found = self.decoder.complete([prefix] * len(allowed), most, stops)
        return [[*prefix, *one.ids, *marker] for one in found]

    def _answer(
        self, opening: Sequence[Ids], allowed: Sequence[AllowedLabels | None]
    ) -> list[Decoded]:
        """Each label behind its opening."""
        if not self.spec.is_choice:
            stops = [self.codec.end]
            if self._place == "after":
                stops.append(self.codec.rationale_marker[0])
            return self.decoder.complete(opening, self._longest("label"), stops)
        walks = [LabelWalk(labels.trie) for labels in allowed if labels]
        self.decoder.walk(walks, opening, self.codec.end)
        return [Decoded(walk.ids[:-1], walk.log_probability) for walk in walks]

    def _explain(self, allowed: Sequence[AllowedLabels | None]) -> list[Ids]:
        """Rationales, behind their labels where these come first."""
        opening = [self.codec.prefix] * len(allowed)
        if self._place == "after" and self.spec.is_choice:
            labels = self._answer([[]] * len(allowed), allowed)
            opening = [[*one.ids, self.codec.rationale_marker[0]] for one in labels]
        found = self.decoder.complete(opening, self._longest("rationale"), [self.codec.end])
        return [[*ids, *one.ids] for ids, one in zip(opening, found, strict=True)]

    def _longest(self, task: TargetTask) -> int:
        """The most tokens that are written for a task."""
        config, codec = self.spec.config, self.codec
        longest = len(codec.prefix) + 1
        if task == "label" or self._place == "after":
            longest += config.max_label_tokens
        if self._place == "before":
            longest += config.max_rationale_tokens + len(codec.label_marker)
        elif task == "rationale":
            longest += config.max_rationale_tokens + len(codec.rationale_marker)
        return longest

    def _decode(
        self, task: TargetTask, texts: Sequence[Ids], allowed: Sequence[AllowedLabels | None]
    ) -> list[Generated]:
        return [
            self.codec.decode(task, self.spec.method, ids, labels.choices if labels else None)
            for ids, labels in zip(texts, allowed, strict=True)
        ]

    @property
    def _place(self) -> str:
        return self.spec.method.place


def _by_length(written: Sequence[Ids]) -> list[list[int]]:
    """The places of the sequences of each length."""
    found = defaultdict[int, list[int]](list)
    for place, ids in enumerate(written):
        found[len(ids)].append(place)
    return list(found.values())
