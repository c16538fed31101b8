"""The results of a study as plain values: all that its report shows.

Test rows are kept in a separate file, because there may be very many.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from distilwhy.core.cost import Bill
from distilwhy.core.persisted import to_plain
from distilwhy.core.stats.comparisons import MethodComparison, OutcomeCounts
from distilwhy.core.stats.curve import Curve, Efficiency
from distilwhy.core.stats.deployment import DeploymentScore
from distilwhy.core.stats.progress import Progress
from distilwhy.core.stats.scores import Score
from distilwhy.core.student_id import MAIN


@dataclass(frozen=True)
class StudentScore:
    """The score of one student on the test rows.

    Attributes:
        parameters: Those of the deployed student.
        size: The size of its folder, in bytes.
        rows_per_second: How fast it answered the test rows, on this machine.
        teacher_calls: The teacher calls that it needs to answer the test rows.
        progress: Its evaluations during training.
    """

    seed: int
    score: Score
    best_step: int
    validation_accuracy: float
    parameters: int
    size: int
    lr: float
    seconds: float
    rows_per_second: float
    teacher_calls: int
    progress: Sequence[Progress] = ()


@dataclass(frozen=True)
class MethodScore:
    """One method on a number of train rows: over all seeds, and for each of them.

    Attributes:
        rows: The number of train rows; None for all of them.
        wrong_rationales: What was done about rationales for wrong labels, for its first seed.
        student: The name of the student; "" is that of the ``student`` section.
        tried: How many trainings its first seed tried, of learning rates and λ.
        is_rising: Whether its accuracy on validation was still rising at the last step.
    """

    method: str
    rows: int | None
    score: Score
    wrong_rationales: Mapping[str, int]
    students: Sequence[StudentScore]
    student: str = ""
    tried: int = 1
    is_rising: bool = False


@dataclass(frozen=True)
class TeacherScore:
    """One of several teachers of a study, on the train rows.

    Attributes:
        readable: How many rows it answered readably.
        shared: How many rows all teachers answered readably.
        accuracy: The share of the answered rows that it labels right; None if it saw all gold
            labels, or there are none.
    """

    name: str
    rows: int
    readable: int
    shared: int
    accuracy: float | None


@dataclass(frozen=True)
class AnnotationCost:
    """What the annotations of the train rows of one method cost."""

    method: str
    rows: int | None
    cost: float


# The baseline that is a student before training.
UNTRAINED = "untrained"


@dataclass(frozen=True)
class BaselineScore:
    """The score of a trivial baseline on the test rows.

    Attributes:
        name: ``majority-label`` or ``tf-idf``, with ``-gold`` if it learns gold labels; or
            ``untrained``.
        rows: The number of train rows; None for all of them.
        score: ``untrained`` is asked only the first test rows.
        student: The student that ``untrained`` is; else "".
    """

    name: str
    rows: int | None
    score: Score
    student: str = ""


@dataclass(frozen=True)
class LabelScore:
    """How well a method's first seed finds one label.

    Attributes:
        rows: Those with this gold label.
        precision: The share of the rows with this answer whose gold label it is; None if there
            are none.
        recall: The share of the rows with this gold label that have this answer; None if there
            are none.
        f1: The harmonic mean of both; 0 if one is None.
    """

    label: str
    rows: int
    precision: float | None
    recall: float | None
    f1: float


@dataclass(frozen=True)
class Confusion:
    """The confusion matrix of a method's first seed.

    Attributes:
        labels: The most frequent gold labels; the last one may stand for all others.
        counts: ``[gold][answered]`` test rows; the last column is for missing answers, and for
            labels that are not listed.
        by_place: Whether the labels are letters, for the options of each row.
        each: All labels that are gold or answered, by frequency; empty if ``by_place``.
        macro_f1: The mean of their F1; None if ``by_place``.
    """

    method: str
    labels: Sequence[str]
    counts: Sequence[Sequence[int]]
    by_place: bool = False
    each: Sequence[LabelScore] = ()
    macro_f1: float | None = None


@dataclass(frozen=True)
class Breakdown:
    """The open answers of a method's first seed.

    ``pairs`` are the most frequent wrong answers: gold, answered, number of rows.
    """

    method: str
    right: int
    wrong: int
    none: int
    pairs: Sequence[tuple[str, str, int]]


@dataclass(frozen=True)
class Case:
    """A test row with all answers to it.

    Attributes:
        answers: By method, the answer of its first seed; None if that is not a valid answer.
        right: By method, whether it is right; includes ``teacher`` if it was asked.
        teacher: The teacher's label; None if it was not parsed or not asked.
        student_rationale: That of ``step-by-step``'s first seed, if it can give one.
    """

    id: str
    text: str
    options: Sequence[str]
    gold: str
    teacher: str | None
    teacher_rationale: str
    student_rationale: str
    answers: Mapping[str, str | None]
    right: Mapping[str, bool]


@dataclass(frozen=True)
class Provenance:
    """How a study was done, so that it can be repeated.

    Attributes:
        started: When the results were written, in ISO 8601.
        hashes: SHA-256 of each split's rows, and of the annotations.
        settings: The resolved experiment file, as YAML.
    """

    started: str
    machine: str
    versions: Mapping[str, str]
    rows: Mapping[str, int]
    hashes: Mapping[str, str]
    prompt: str
    settings: str


@dataclass(frozen=True)
class Results:
    """The results of a study.

    Headline, bill, confusions, breakdowns and test rows are about one student: the first.

    Attributes:
        headline: A paragraph about the student beside its teacher, and one about rationales.
        against_teacher: Every method that could be deployed against the teacher, on the test rows
            that the teacher answered.
        baselines: Trivial baselines.
        against_baselines: Every method that could be deployed against the baselines that learn
            the same labels, and against its own student untrained.
        curves: One per method trained on several numbers of train rows.
        confusions: One per method, if the answer is a choice.
        breakdowns: One per method, if the answer is a number, an equation or text.
        outdated: The number of students left out because what they learnt from has changed since.
        teachers: The teachers, if the study has several; the first is that of the ``teacher``
            section.
        annotation_costs: For the methods that learn from a teacher, where it is known.
        one_answer: The number of students that gave one answer to all test rows, although gold
            has several.
        deployments: How far each method's first seed can be trusted, unless it needs the teacher
            to answer; for the first student.
        without_confidence: The number of students whose answers an older version kept, without
            confidences.
    """

    name: str
    headline: str
    teacher: Mapping[str, OutcomeCounts]
    methods: Sequence[MethodScore]
    comparisons: Sequence[MethodComparison]
    curves: Sequence[Curve]
    efficiency: Sequence[Efficiency]
    bill: Bill
    confusions: Sequence[Confusion]
    provenance: Provenance
    breakdowns: Sequence[Breakdown] = ()
    outdated: int = 0
    one_answer: int = 0
    teachers: Sequence[TeacherScore] = ()
    annotation_costs: Sequence[AnnotationCost] = ()
    deployments: Sequence[DeploymentScore] = ()
    without_confidence: int = 0
    against_teacher: Sequence[MethodComparison] = ()
    baselines: Sequence[BaselineScore] = ()
    against_baselines: Sequence[MethodComparison] = ()

    @property
    def students(self) -> list[str]:
        """The names of all students; the first is "", if the ``student`` section was trained."""
        return list(dict.fromkeys(found.student for found in self.methods))

    def call(self, student: str) -> str:
        """A student's name for people; "" if the ``student`` section is the only one."""
        return student or MAIN if any(self.students) else ""

    @property
    def deployed(self) -> DeploymentScore | None:
        """The student that is priced, or else the first; None without confidences."""
        found = self.deployments
        priced = (one for one in found if one.method == self.bill.method)
        return next(priced, found[0] if found else None)

    @property
    def cascade(self) -> str:
        """The sentence about its cascade; "" if there is none."""
        return self.deployed.sentence if self.deployed else ""

    def of(self, student: str) -> Self:
        """The results of one student."""
        return replace(
            self,
            methods=[found for found in self.methods if found.student == student],
            comparisons=[found for found in self.comparisons if found.student == student],
            against_teacher=[found for found in self.against_teacher if found.student == student],
            baselines=[
                found
                for found in self.baselines
                if found.name != UNTRAINED or found.student == student
            ],
            against_baselines=[
                found for found in self.against_baselines if found.student == student
            ],
            curves=[found for found in self.curves if found.student == student],
            efficiency=[found for found in self.efficiency if found.student == student],
        )

    def as_json(self) -> dict[str, Any]:
        """The results as plain values, with verdicts and cascades in words."""
        value = to_plain(self)
        for plain, compared in zip(value["comparisons"], self.comparisons, strict=True):
            plain["verdict"] = compared.comparison.verdict
            plain["words"] = compared.comparison.words
        for plain, deployed in zip(value["deployments"], self.deployments, strict=True):
            plain["sentence"] = deployed.words
        for plain, compared in zip(value["against_teacher"], self.against_teacher, strict=True):
            plain["words"] = compared.comparison.describe("better", "worse")
        for name, others in (
            ("against_teacher", self.against_teacher),
            ("against_baselines", self.against_baselines),
        ):
            for plain, compared in zip(value[name], others, strict=True):
                plain["words"] = compared.comparison.describe("better", "worse")
        return value
