"""Every row that the teacher is asked about, with all that the ledger holds of it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from distilwhy.core.annotation import Annotation, parse_completion
from distilwhy.core.consensus import join_samples
from distilwhy.core.splits import SplitName
from distilwhy.core.task import Example
from distilwhy.flows.call import Call
from distilwhy.flows.experiment import Experiment
from distilwhy.store.ledger import Entry, Ledger, open_ledger

CHUNK = 500


@dataclass(frozen=True)
class Answer:
    """A call that has ended.

    Attributes:
        entry: What the ledger holds.
        annotation: What is read in it, taken alone.
    """

    call: Call
    entry: Entry
    annotation: Annotation


@dataclass(frozen=True)
class Row:
    """A row, and what the teacher said about it.

    Attributes:
        answers: One a sample, as far as they were asked for.
        explanation: The reply about why gold is right, where there is one.
        annotation: All of that, joined: what students are taught; None where nothing was asked.
    """

    split: SplitName
    example: Example
    answers: tuple[Answer, ...] = ()
    explanation: Answer | None = None
    annotation: Annotation | None = None

    @property
    def calls(self) -> tuple[Answer, ...]:
        """Every call about this row that has ended."""
        return (*self.answers, self.explanation) if self.explanation else self.answers


def iterate_rows(experiment: Experiment) -> Iterator[Row]:
    """The rows that are annotated, split after split, whether or not they were asked about.

    A few hundred are held at a time.
    """
    rows = (
        (name, example)
        for name in experiment.config.teacher.annotate
        for example in experiment.splits.named(name)
    )
    if not experiment.folder.ledger.is_file():
        yield from (Row(name, example) for name, example in rows)
        return
    explanations = _InStep(experiment.inquiry.explanation_calls())
    with open_ledger(experiment.folder.ledger) as ledger:
        while chunk := list(islice(rows, CHUNK)):
            calls = [_calls(experiment, example) for _, example in chunk]
            why = [explanations.about(example) for _, example in chunk]
            found = _look_up(ledger, [*(call for row in calls for call in row), *filter(None, why)])
            for (name, example), asked, asked_why in zip(chunk, calls, why, strict=True):
                told = _read(experiment, example, asked, found)
                reasons = _read(experiment, example, [asked_why] if asked_why else [], found)
                joined = _join(experiment, example, told, reasons)
                yield Row(name, example, told, reasons[0] if reasons else None, joined)


class _InStep:
    """Calls about some of the rows, handed out as those rows come by, in the same order."""

    def __init__(self, calls: Iterator[Call]) -> None:
        self._calls = calls
        self._next = next(calls, None)

    def about(self, example: Example) -> Call | None:
        """The call about this row, if it is the next that there is one about."""
        call = self._next
        if call is None or call.prompt.example_id != example.id:
            return None
        self._next = next(self._calls, None)
        return call


def _calls(experiment: Experiment, example: Example) -> list[Call]:
    samples = range(experiment.config.teacher.samples)
    return [experiment.inquiry.answer_call(example, sample) for sample in samples]


def _look_up(ledger: Ledger, calls: Iterable[Call]) -> dict[bytes, Entry]:
    return {entry.key: entry for entry in ledger.entries(call.key for call in calls)}


def _read(
    experiment: Experiment, example: Example, calls: Sequence[Call], found: dict[bytes, Entry]
) -> tuple[Answer, ...]:
    stop = experiment.config.teacher.stop
    return tuple(
        Answer(call, entry, parse_completion(experiment.task, example, entry.completion, stop))
        for call in calls
        if (entry := found.get(call.key)) is not None
    )


def _join(
    experiment: Experiment, example: Example, told: Sequence[Answer], reasons: Sequence[Answer]
) -> Annotation | None:
    if not told:
        return None
    answer = experiment.task.answer
    joined = join_samples(answer, [said.annotation for said in told])
    for said in reasons:
        if answer.same(said.annotation.label, example.gold):
            return replace(joined, explanation=said.annotation.rationale)
    return joined
