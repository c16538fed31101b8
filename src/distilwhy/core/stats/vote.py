"""Joins several answers to one question by majority vote.

Wang et al. 2023, *Self-Consistency Improves Chain of Thought Reasoning in Language Models*
(arXiv 2203.11171): an answer reached by many lines of reasoning is more likely to be right.
"""

from collections.abc import Sequence

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.parsing.completion import Annotation


def join_samples(answer: Answer, samples: Sequence[Annotation]) -> Annotation:
    """Join samples of a row: the most frequent label, with all rationales for it.

    Of equally frequent labels the first one wins. A single sample is returned unchanged; if no
    sample is readable, so is the first.
    """
    groups = _group_by_label(answer, samples) if len(samples) > 1 else []
    if not groups:
        return samples[0]
    label, winning = groups[0]
    rationale, *others = dict.fromkeys(filter(None, winning)) or [""]
    readable = sum(len(rationales) for _, rationales in groups)
    votes = tuple((name, len(rationales) / readable) for name, rationales in groups)
    row = samples[0].example_id
    return Annotation(row, "ok", rationale, label, others=tuple(others), votes=votes)


def _group_by_label(answer: Answer, samples: Sequence[Annotation]) -> list[tuple[str, list[str]]]:
    """Each label with the rationales of its samples, the most frequent label first."""
    groups: dict[str, list[str]] = {}
    for sample in samples:
        if sample.label is not None:
            known = (label for label in groups if answer.same(label, sample.label))
            groups.setdefault(next(known, sample.label), []).append(sample.rationale)
    return sorted(groups.items(), key=lambda group: -len(group[1]))
