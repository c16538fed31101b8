"""What a study found: all that its report is drawn from, as plain values.

The rows to look at are not among it: there may be very many, and they stand in a file of their
own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from distilwhy.core.cost import Bill
from distilwhy.core.persisted import to_plain
from distilwhy.core.stats.comparisons import MethodComparison, OutcomeCounts
from distilwhy.core.stats.curve import Curve, Efficiency
from distilwhy.core.stats.scores import Score
from distilwhy.core.student_id import MAIN


@dataclass(frozen=True)
class StudentScore:
    """One student on the test rows.

    Attributes:
        best_step: After how many steps its weights were taken.
        parameters: All of the deployed student's.
        size: Of its folder, in bytes.
        lr: The learning rate that it was trained with.
        seconds: How long its training took.
        rows_per_second: How fast it answered the test rows, on the machine of this study.
        teacher_calls: The answers of the teacher that it needs to answer the test rows.
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


@dataclass(frozen=True)
class MethodScore:
    """One method on a number of train rows: over all its seeds, and each of them.

    Attributes:
        rows: How many train rows; None for all of them.
        wrong_rationales: What was done about rationales for wrong labels, for its first seed.
        students: Those of its seeds.
        student: Which of the study's students they are; "" is that of the ``student`` section.
    """

    method: str
    rows: int | None
    score: Score
    wrong_rationales: Mapping[str, int]
    students: Sequence[StudentScore]
    student: str = ""


@dataclass(frozen=True)
class Confusion:
    """Which labels a method's first student took for which.

    Attributes:
        method: Whose.
        labels: The commonest gold labels, the rest of them put together as the last.
        counts: ``[gold][answered]``: test rows; the last column is for what is none of these: no
            answer, or where the labels are all shown another one.
        by_place: Whether the labels are letters, which stand for the options of each row.
    """

    method: str
    labels: Sequence[str]
    counts: Sequence[Sequence[int]]
    by_place: bool = False


@dataclass(frozen=True)
class Breakdown:
    """How the answers of a method's first student came out, where answers are open.

    Attributes:
        method: Whose.
        right: Test rows that it answered rightly.
        wrong: Those that it answered wrongly.
        none: Those to which it gave no answer.
        pairs: The commonest of the wrong answers: gold, answered, and on how many rows.
    """

    method: str
    right: int
    wrong: int
    none: int
    pairs: Sequence[tuple[str, str, int]]


@dataclass(frozen=True)
class Case:
    """A test row with all that was said about it.

    Attributes:
        answers: By method, what its first student answered; None where that is no answer.
        right: By method, whether that is gold; ``teacher`` among them if it was asked.
        teacher: The teacher's label; None where it could not be read or was not asked.
        teacher_rationale: Its reasons.
        student_rationale: Those of ``step-by-step``'s first student, where it can give any.
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
    """How a study was done, so that it can be done again.

    Attributes:
        started: When it was written, as ISO 8601.
        machine: Cores, memory, GPU, operating system.
        versions: Of Python and the libraries that matter.
        rows: The rows of each split.
        hashes: SHA-256 of each split's rows, and of the annotations.
        prompt: One whole prompt, as the teacher saw it.
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
    """What a study found.

    Headline, bill, confusions, breakdowns and the rows to look at are about one student: the first.

    Attributes:
        name: Of the experiment.
        headline: The answer to the question whether the reasons helped, in a sentence or two.
        teacher: By split, its answers counted and scored.
        methods: Every student's every method at every number of train rows.
        comparisons: Every pair that is compared, at every number of train rows.
        curves: Accuracy over train rows, for every method that was trained on several numbers.
        efficiency: What more rows would bring, where there are curves.
        bill: What was spent and saved, as far as prices are known.
        confusions: For a choice: one for each method.
        breakdowns: For numbers, equations and texts: one for each method.
        outdated: How many trained students are left out, as the experiment or its annotations
            have changed since.
        one_answer: How many students gave one and the same answer to all test rows, where gold
            has several.
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

    @property
    def students(self) -> list[str]:
        """The students by name, that of the ``student`` section, "", the first if it is there."""
        return list(dict.fromkeys(found.student for found in self.methods))

    def call(self, student: str) -> str:
        """A student's name for people; "" where there is but the one of the ``student`` section,
        which needs none."""
        return student or MAIN if any(self.students) else ""

    def of(self, student: str) -> Self:
        """What was found of one student."""
        return replace(
            self,
            methods=[found for found in self.methods if found.student == student],
            comparisons=[found for found in self.comparisons if found.student == student],
            curves=[found for found in self.curves if found.student == student],
            efficiency=[found for found in self.efficiency if found.student == student],
        )

    def as_json(self) -> dict[str, Any]:
        """The same as plain values, with a verdict beside each comparison."""
        value = to_plain(self)
        for plain, versus in zip(value["comparisons"], self.comparisons, strict=True):
            plain["verdict"] = versus.comparison.verdict
            plain["words"] = versus.comparison.words
        return value
