"""Scores of students and teacher, and comparisons between methods."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from distilwhy.core.method import METHODS
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.parsing.completion import OUTCOMES, TWO_ANSWERS, Annotation, Outcome
from distilwhy.core.stats.scores import Comparison, Score, adjust, compare, score
from distilwhy.core.student_id import StudentId
from distilwhy.core.task import Example

TEACHER = "teacher"


@dataclass(frozen=True)
class Prediction:
    """A student's answer to one row. ``label`` is None if ``text`` is not a valid answer.

    Attributes:
        confidence: The probability that the label is right, 0 to 1: calibrated if the student's
            folder holds a calibration, else the student's own. None if it was not computed.
        alone: Whether the student's cascade lets it answer this row alone, without the teacher;
            None without a cascade.
    """

    example_id: str
    text: str
    label: str | None
    rationale: str | None = None
    confidence: float | None = None
    alone: bool | None = None


@dataclass(frozen=True)
class OutcomeCounts:
    """The annotations of one split: outcomes and accuracy.

    Attributes:
        without_rationale: ``ok`` annotations with a label alone.
        score: The teacher's accuracy over answered rows whose gold label it did not see, where
            anything but ``ok`` counts as wrong; None if there are no such rows. A row whose
            call failed is not answered.
        problem: The id and problem of one row that is not ``ok``; None if all are.
        saw_gold: Asked rows whose gold label the teacher was shown.
        parsed_score: As ``score``, over the ``ok`` rows alone; None if there are none.
        without_gold: Rows without a gold label.
        two_answers: ``unparsed`` annotations whose replies give two different answers.
        two_answers_row: The id of one of them; "" if there are none.
        sampled: Rows with several samples whose answers have a rationale.
        same_samples: Those of them whose samples are all the same text.
    """

    rows: int
    asked: int
    outcomes: Mapping[Outcome, int]
    without_rationale: int
    score: Score | None
    problem: tuple[str, str] | None
    saw_gold: int = 0
    parsed_score: Score | None = None
    without_gold: int = 0
    two_answers: int = 0
    two_answers_row: str = ""
    sampled: int = 0
    same_samples: int = 0

    @property
    def parsed_share(self) -> float | None:
        """The share of the answered rows that are ``ok``; None if none was answered."""
        answered = self.asked - self.outcomes.get("failed", 0)
        return self.outcomes["ok"] / answered if answered else None


@dataclass(frozen=True)
class MethodComparison:
    """One method against another, for one student and number of train rows (None: all)."""

    method: str
    baseline: str
    comparison: Comparison
    rows: int | None = None
    student: str = ""


def count_outcomes(
    answer: Answer, rows: Iterable[tuple[Example, Annotation | None]]
) -> OutcomeCounts:
    """Count and score the annotations of a split, which need not fit into memory."""
    outcomes: Counter[str] = Counter()
    count = saw_gold = without_rationale = without_gold = two_answers = 0
    right, parsed_right = bytearray(), bytearray()
    problem: tuple[str, str] | None = None
    two_answers_row = ""
    for example, annotation in rows:
        count += 1
        without_gold += example.gold is None
        if annotation is None:
            continue
        outcomes[annotation.outcome] += 1
        saw_gold += annotation.saw_gold
        if annotation.outcome != "ok":
            problem = problem or (example.id, annotation.problem)
            if annotation.problem.startswith(TWO_ANSWERS):
                two_answers += 1
                two_answers_row = two_answers_row or example.id
        elif not annotation.rationale:
            without_rationale += 1
        is_answered = annotation.outcome != "failed"
        if example.gold is not None and is_answered and not annotation.saw_gold:
            right.append(answer.same(annotation.label, example.gold))
            if annotation.outcome == "ok":
                parsed_right.append(right[-1])
    return OutcomeCounts(
        rows=count,
        asked=outcomes.total(),
        outcomes={outcome: outcomes[outcome] for outcome in OUTCOMES},
        without_rationale=without_rationale,
        score=score([right]) if right else None,
        problem=problem,
        saw_gold=saw_gold,
        parsed_score=score([parsed_right]) if parsed_right else None,
        without_gold=without_gold,
        two_answers=two_answers,
        two_answers_row=two_answers_row,
    )


def judge(
    answer: Answer, examples: Sequence[Example], predictions: Mapping[str, Prediction]
) -> list[bool]:
    """Whether each row with gold was answered correctly, in the order of ``examples``."""
    return [
        answer.same(predictions[example.id].label, example.gold)
        for example in examples
        if example.gold is not None
    ]


def compare_with_baselines(correct: Mapping[StudentId, Sequence[bool]]) -> list[MethodComparison]:
    """Compare every method that learns the teacher's rationales with its baselines.

    A pair is compared over the seeds that both have, within one student and number of train
    rows. With several teachers, each arm is compared with the baselines of the same teacher and
    those without one, and with the same method by the teacher of the ``teacher`` section. All
    comparisons form one family: their p-values are adjusted together.
    """
    sizes = dict.fromkeys(student_id.rows for student_id in correct)
    students = dict.fromkeys(student_id.student for student_id in correct)
    made: list[MethodComparison] = []
    for rows, student in product(sizes, students):
        own = {c: right for c, right in correct.items() if (c.rows, c.student) == (rows, student)}
        for one, other in _pairs(own):
            if both := _tables(own, one, other):
                comparison = compare(*both)
                made.append(MethodComparison(one.arm, other.arm, comparison, rows, student))
    family = adjust([one.comparison for one in made])
    return [replace(one, comparison=c) for one, c in zip(made, family, strict=True)]


def compare_with_teacher(
    correct: Mapping[StudentId, Sequence[bool]], teacher: Sequence[bool | None]
) -> list[MethodComparison]:
    """Compare every method that could be deployed with the teacher, as a family of their own.

    Args:
        teacher: Whether the teacher was right on each row; None for rows to leave out.
    """
    made = compare_with(TEACHER, correct, dict.fromkeys(correct, teacher))
    family = adjust([one.comparison for one in made])
    return [replace(one, comparison=c) for one, c in zip(made, family, strict=True)]


def compare_with(
    name: str,
    correct: Mapping[StudentId, Sequence[bool]],
    other: Mapping[StudentId, Sequence[bool | None]],
) -> list[MethodComparison]:
    """Compare every method that could be deployed with something that is not a student.

    Args:
        name: What it is called.
        other: Whether it was right on each row, beside each student that it is compared with;
            None for rows to leave out.
    """
    groups: dict[tuple[str, int | None, str], list[StudentId]] = {}
    for s in correct:
        if METHODS[s.method].is_deployable and any(right is not None for right in other.get(s, ())):
            groups.setdefault((s.arm, s.rows, s.student), []).append(s)
    found = []
    for (arm, rows, student), seeds in groups.items():
        known = [place for place, right in enumerate(other[seeds[0]]) if right is not None]
        both = [
            [[bool(right[s][place]) for place in known] for s in seeds]
            for right in (correct, other)
        ]
        found.append(MethodComparison(arm, name, compare(*both), rows, student))
    return found


def _tables(
    correct: Mapping[StudentId, Sequence[bool]], arm: StudentId, baseline: StudentId
) -> list[list[Sequence[bool]]]:
    """``[seeds][rows]`` of both arms, over the seeds that they share; [] if they share none."""
    both = [
        (one, other)
        for one in correct
        if one.arm == arm.arm and (other := replace(baseline, seed=one.seed)) in correct
    ]
    return [[correct[one] for one in student_ids] for student_ids in zip(*both, strict=True)]


def _pairs(student_ids: Iterable[StudentId]) -> list[tuple[StudentId, StudentId]]:
    """The pairs to compare, each arm by its first student: step-by-step with bare labels and with
    all other methods with the same labels; or, without step-by-step, other ways to teach
    rationales with bare labels."""
    arms = list({student_id.arm: student_id for student_id in student_ids}.values())
    taught = [arm for arm in arms if METHODS[arm.method].learns_rationales]
    firsts = [arm for arm in taught if METHODS[arm.method].place == "apart"] or taught
    return [
        (first, other)
        for first, other in product(firsts, arms)
        if (_is_baseline(first, other) and other not in firsts)
        or (first.annotations and other.arm == first.method)
    ]


def _is_baseline(first: StudentId, other: StudentId) -> bool:
    """Whether an arm is a baseline of one that learns rationales, by method and teacher."""
    method, baseline = METHODS[first.method], METHODS[other.method]
    if baseline.needs_teacher and first.annotations != other.annotations:
        return False
    return baseline.rationales == "none" or baseline.labels == method.labels
