"""Counts a student's answers against gold labels."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean

from distilwhy.core.parsing.answer import Answer, letter
from distilwhy.core.results import Breakdown, Confusion, LabelScore
from distilwhy.core.stats.comparisons import Prediction
from distilwhy.core.task import Example

LABELS_SHOWN = 15
PAIRS_SHOWN = 10
FEW_ROWS = 20
OTHERS = "other labels"


def confuse(
    method: str, examples: Sequence[Example], predictions: Mapping[str, Prediction]
) -> Confusion:
    """The confusion matrix of a student's choices.

    If rows have their own options, a choice is identified by its position among them. Rows
    without gold are skipped.
    """
    known = [example for example in examples if example.gold is not None]
    gold = [_name(example, example.gold) for example in known]
    common = [name for name, _ in Counter(gold).most_common(LABELS_SHOWN)]
    by_place = any(example.options for example in known)
    labels = sorted(common, key=lambda name: (len(name or ""), name)) if by_place else common
    names = [*labels, OTHERS] if len(set(gold)) > LABELS_SHOWN else labels
    counts = [[0] * (len(names) + 1) for _ in names]
    for example, name in zip(known, gold, strict=True):
        answered = _name(example, predictions[example.id].label)
        row = labels.index(name) if name in labels else len(labels)
        column = len(names) if answered is None else len(labels)
        counts[row][labels.index(answered) if answered in labels else column] += 1
    each = [] if by_place else _score_labels(gold, [predictions[e.id].label for e in known])
    macro_f1 = fmean(found.f1 for found in each) if each else None
    return Confusion(method, [name or "" for name in names], counts, by_place, each, macro_f1)


def _score_labels(gold: Sequence[str | None], answered: Sequence[str | None]) -> list[LabelScore]:
    """Precision, recall and F1 of each label that is gold or answered."""
    rows, answers = Counter(filter(None, gold)), Counter(filter(None, answered))
    hits = Counter(label for label, other in zip(gold, answered, strict=True) if label == other)
    return [
        LabelScore(
            label,
            rows[label],
            hits[label] / answers[label] if answers[label] else None,
            hits[label] / rows[label] if rows[label] else None,
            2 * hits[label] / (rows[label] + answers[label]),
        )
        for label, _ in (rows + answers).most_common()
    ]


def break_down(
    method: str,
    answer: Answer,
    examples: Sequence[Example],
    predictions: Mapping[str, Prediction],
) -> Breakdown:
    """Right, wrong and missing answers of a student, on rows with gold."""
    said = [(e.gold, predictions[e.id].label) for e in examples if e.gold is not None]
    right = sum(answer.same(answered, gold) for gold, answered in said)
    none = sum(answered is None for _, answered in said)
    missed = Counter(
        (gold, answered)
        for gold, answered in said
        if answered is not None and not answer.same(answered, gold)
    )
    pairs = [(*pair, rows) for pair, rows in missed.most_common(PAIRS_SHOWN)]
    return Breakdown(method, right, missed.total(), none, pairs)


def says_one_thing(examples: Sequence[Example], predictions: Mapping[str, Prediction]) -> bool:
    """Whether a student gave one answer to all of many rows with several gold labels, and so
    learnt nothing from their texts."""
    said = {predictions[example.id].label for example in examples}
    several = len({example.gold for example in examples}) > 1
    return len(examples) >= FEW_ROWS and several and len(said) == 1 and said != {None}


def _name(example: Example, label: str | None) -> str | None:
    """The name under which a choice is counted: for an option, its letter."""
    if label in example.options:
        return f"({letter(example.options.index(label))})"
    return label
