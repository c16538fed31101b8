"""What an experiment found: the scores of every method and of the teacher, and who beat whom."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from distilwhy.core.method import METHODS
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.parsing.completion import OUTCOMES, Annotation, Outcome
from distilwhy.core.stats.scores import Comparison, Score, adjust, compare, score
from distilwhy.core.student_id import StudentId
from distilwhy.core.task import Example


@dataclass(frozen=True)
class Prediction:
    """What a student answered to one row.

    Attributes:
        example_id: The row.
        text: What it wrote.
        label: That in canonical form; None if it is no answer of the task.
        rationale: Its reasons, where it was asked for them.
    """

    example_id: str
    text: str
    label: str | None
    rationale: str | None = None


@dataclass(frozen=True)
class OutcomeCounts:
    """The annotations of one split: how many of each outcome, and how good they are.

    Attributes:
        rows: All the rows of the split.
        asked: Those with an annotation.
        outcomes: The number of rows of each outcome.
        without_rationale: Readable ones that give a label alone.
        score: The teacher's accuracy over asked rows with gold that it was not shown, an unread
            answer being a wrong one; None where there is no such row.
        problem: An unread row's id and problem, to look at; None where all were read.
        saw_gold: Asked rows whose gold label the teacher was shown.
    """

    rows: int
    asked: int
    outcomes: Mapping[Outcome, int]
    without_rationale: int
    score: Score | None
    problem: tuple[str, str] | None
    saw_gold: int = 0


@dataclass(frozen=True)
class MethodComparison:
    """One method against another, both taught to one student on the same number of rows; None:
    on all."""

    method: str
    baseline: str
    comparison: Comparison
    rows: int | None = None
    student: str = ""


def count_outcomes(
    answer: Answer, rows: Iterable[tuple[Example, Annotation | None]]
) -> OutcomeCounts:
    """Count and score the annotations of a split, which need not fit into memory.

    Args:
        rows: Each with its annotation, if it has one.
    """
    outcomes: Counter[str] = Counter()
    count = saw_gold = without_rationale = 0
    right = bytearray()
    problem: tuple[str, str] | None = None
    for example, annotation in rows:
        count += 1
        if annotation is None:
            continue
        outcomes[annotation.outcome] += 1
        saw_gold += annotation.saw_gold
        if annotation.outcome != "ok":
            problem = problem or (example.id, annotation.problem)
        elif not annotation.rationale:
            without_rationale += 1
        if example.gold is not None and not annotation.saw_gold:
            right.append(answer.same(annotation.label, example.gold))
    return OutcomeCounts(
        rows=count,
        asked=outcomes.total(),
        outcomes={outcome: outcomes[outcome] for outcome in OUTCOMES},
        without_rationale=without_rationale,
        score=score([right]) if right else None,
        problem=problem,
        saw_gold=saw_gold,
    )


def judge(
    answer: Answer, examples: Sequence[Example], predictions: Mapping[str, Prediction]
) -> list[bool]:
    """Whether each row with gold was answered rightly, in the order of ``examples``."""
    return [
        answer.same(predictions[example.id].label, example.gold)
        for example in examples
        if example.gold is not None
    ]


def compare_with_baselines(correct: Mapping[StudentId, Sequence[bool]]) -> list[MethodComparison]:
    """Every method that learns the teacher's rationales against those that it should beat.

    Each pair is compared over the seeds that both have, within one student and one number of
    train rows. All comparisons of the study are one family: their p values are adjusted together.

    Args:
        correct: For each cell, whether each test row was right.
    """
    sizes = dict.fromkeys(cell.rows for cell in correct)
    students = dict.fromkeys(cell.student for cell in correct)
    made = [
        one
        for rows, student in product(sizes, students)
        for one in _compare(correct, rows, student)
    ]
    family = adjust([one.comparison for one in made])
    return [replace(one, comparison=c) for one, c in zip(made, family, strict=True)]


def _compare(
    correct: Mapping[StudentId, Sequence[bool]], rows: int | None, student: str
) -> list[MethodComparison]:
    """Every comparison of one student on one number of train rows, none of them adjusted."""
    own = {c: right for c, right in correct.items() if (c.rows, c.student) == (rows, student)}
    tables = [(pair, _tables(own, *pair)) for pair in _pairs(own)]
    return [MethodComparison(*pair, compare(*both), rows, student) for pair, both in tables if both]


def _tables(
    correct: Mapping[StudentId, Sequence[bool]], method: str, baseline: str
) -> list[list[Sequence[bool]]]:
    """Whether each of two methods was right, over the seeds that both have; [] if they share
    none."""
    both = [
        (cell, other)
        for cell in correct
        if cell.method == method and (other := replace(cell, method=baseline)) in correct
    ]
    return [[correct[cell] for cell in cells] for cells in zip(*both, strict=True)]


def _pairs(cells: Iterable[StudentId]) -> list[tuple[str, str]]:
    """Which method is tried against which: step-by-step against all others with the same labels
    and against bare labels; where it is not there, other ways to teach reasons against bare
    labels."""
    names = list(dict.fromkeys(cell.method for cell in cells))
    taught = [name for name in names if METHODS[name].rationales == "teacher"]
    firsts = [name for name in taught if METHODS[name].place == "apart"] or taught
    return [
        (first, other)
        for first, other in product(firsts, names)
        if METHODS[other].rationales == "none"
        or (other not in firsts and METHODS[other].labels == METHODS[first].labels)
    ]
