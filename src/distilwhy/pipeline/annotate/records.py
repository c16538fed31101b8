"""Every row that the teacher is asked about, with all that the ledger holds of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from distilwhy.core.parsing.completion import Annotation
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.splits import SplitName
from distilwhy.core.task import Example
from distilwhy.pipeline.annotate.call import Call
from distilwhy.pipeline.experiment import Experiment
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
    rows = ((name, example) for name, rows in experiment.annotated.items() for example in rows)
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
                yield _row(experiment, name, example, asked, asked_why, found)


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


def _row(
    experiment: Experiment,
    split: SplitName,
    example: Example,
    asked: Sequence[Call],
    asked_why: Call | None,
    found: Mapping[bytes, Entry],
) -> Row:
    task, inquiry = experiment.task, experiment.inquiry
    answers = tuple(
        Answer(call, entry, inquiry.read_answer(example, entry.completion))
        for call in asked
        if (entry := found.get(call.key)) is not None
    )
    if not answers:
        return Row(split, example)
    joined = inquiry.join(example, [answer.annotation for answer in answers])
    entry = found.get(asked_why.key) if asked_why else None
    if asked_why is None or entry is None:
        return Row(split, example, answers, None, joined)
    why = parse_completion(task, example, entry.completion, experiment.config.teacher.stop)
    if task.answer.same(why.label, example.gold):
        joined = replace(joined, explanation=why.rationale)
    return Row(split, example, answers, Answer(asked_why, entry, why), joined)
