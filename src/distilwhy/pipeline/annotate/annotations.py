"""What the teacher said about the rows of an experiment, parsed once and passed on."""

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from statistics import fmean

from distilwhy.core.cost import Usage
from distilwhy.core.parsing.completion import Annotation
from distilwhy.core.splits import SplitName
from distilwhy.core.stats.comparisons import OutcomeCounts
from distilwhy.pipeline.annotate.calls import CallBuilder, open_calls
from distilwhy.pipeline.annotate.records import AnnotatedRow, count_rows
from distilwhy.pipeline.experiment import Experiment
from distilwhy.pipeline.garbage import collecting_rarely
from distilwhy.store.ledger import Entry


@dataclass(frozen=True)
class CallTotals:
    """What some answered calls took, calls that share a prompt counted once.

    Attributes:
        tokens: Of those calls whose tokens the teacher counted.
        seconds: The mean time of a call; None where no call was timed.
    """

    calls: int = 0
    tokens: tuple[Usage, ...] = ()
    seconds: float | None = None


@dataclass(frozen=True)
class Annotations(Mapping[str, Annotation]):
    """The annotations of an experiment, by example id. Get them from ``read_annotations``.

    Attributes:
        by_id: The annotation of every row that was asked about.
        outcomes: The rows of each split by outcome, and the teacher's accuracy.
        answers: What the calls that asked for answers took; so for ``explanations``.
        prompt: The prompt of the first row, as text.
        others: What the other teachers of the study said, by their names.
    """

    by_id: Mapping[str, Annotation]
    outcomes: Mapping[SplitName, OutcomeCounts]
    answers: CallTotals = field(default_factory=CallTotals)
    explanations: CallTotals = field(default_factory=CallTotals)
    prompt: str = ""
    others: Mapping[str, "Annotations"] = field(default_factory=dict)

    def of(self, teacher: str) -> "Annotations":
        """What one teacher of the study said; "" is that of the ``teacher`` section."""
        return self.others[teacher] if teacher else self

    def __getitem__(self, example_id: str) -> Annotation:
        return self.by_id[example_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_id)

    def __len__(self) -> int:
        return len(self.by_id)


def read_annotations(experiment: Experiment, calls: CallBuilder | None = None) -> Annotations:
    """Parse everything that the ledgers of a study's teachers hold about its rows.

    Raises:
        TeacherError: if recorded completions cannot be read.
        RunError: if the ledger cannot be read.
    """
    calls = calls or open_calls(experiment)
    by_id: dict[str, Annotation] = {}
    answers, explanations = _Totals(), _Totals()

    def keep(row: AnnotatedRow) -> None:
        if row.annotation:
            by_id[row.example.id] = row.annotation
        for answer in row.answers:
            answers.add(answer.entry)
        if row.explanation:
            explanations.add(row.explanation.entry)

    with collecting_rarely():
        outcomes = count_rows(experiment, calls, keep)
    prompt = calls.prompt(experiment.first_row).as_text()
    others = {n: read_annotations(one) for n, one in experiment.other_teachers.items()}
    return Annotations(by_id, outcomes, answers.freeze(), explanations.freeze(), prompt, others)


def read_outcomes(
    experiment: Experiment, calls: CallBuilder | None = None
) -> dict[SplitName, OutcomeCounts]:
    """The rows of each split by outcome, and the teacher's accuracy: ``Annotations.outcomes``
    alone, for rows that need not fit into memory."""
    return count_rows(experiment, calls)


class _Totals:
    """Adds up answered calls, each once."""

    def __init__(self) -> None:
        self._keys: set[bytes] = set()
        self._tokens: list[Usage] = []
        self._seconds = array("d")

    def add(self, entry: Entry) -> None:
        if entry.completion.error is not None or entry.key in self._keys:
            return
        self._keys.add(entry.key)
        if tokens := entry.completion.usage:
            self._tokens.append(replace(tokens, batch=entry.batch))
        if entry.seconds:
            self._seconds.append(entry.seconds)

    def freeze(self) -> CallTotals:
        seconds = fmean(self._seconds) if self._seconds else None
        return CallTotals(len(self._keys), tuple(self._tokens), seconds)
