"""Several answers to one question, joined into one by majority vote.

Wang et al. 2023, *Self-Consistency Improves Chain of Thought Reasoning in Language Models*
(arXiv 2203.11171): an answer that many lines of reasoning lead to is likelier to be right.
"""

from collections.abc import Sequence

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.parsing.completion import Annotation


def join_samples(answer: Answer, samples: Sequence[Annotation]) -> Annotation:
    """One annotation of a row from one or more: the commonest label, with all reasons for it.

    Of labels that are equally common the one given first wins. A single sample is given back
    as it is; so is the first of several that are all unreadable.
    """
    camps = _camps(answer, samples)
    if len(samples) == 1 or not camps:
        return samples[0]
    label, told = camps[0]
    rationale, *others = dict.fromkeys(filter(None, told)) or [""]
    readable = sum(len(rationales) for _, rationales in camps)
    votes = tuple((name, len(rationales) / readable) for name, rationales in camps)
    row = samples[0].example_id
    return Annotation(row, "ok", rationale, label, others=tuple(others), votes=votes)


def _camps(answer: Answer, samples: Sequence[Annotation]) -> list[tuple[str, list[str]]]:
    """Each label with the rationale of every sample that gave it, the commonest label first."""
    camps: dict[str, list[str]] = {}
    for sample in samples:
        if sample.label is not None:
            known = (label for label in camps if answer.same(label, sample.label))
            camps.setdefault(next(known, sample.label), []).append(sample.rationale)
    return sorted(camps.items(), key=lambda camp: -len(camp[1]))
