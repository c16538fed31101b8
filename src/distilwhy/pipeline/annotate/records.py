"""Every row that the teacher is asked about, with all that the ledger holds of it, parsed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from distilwhy.core.parsing.completion import Annotation, Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.parsing.vote import join_samples
from distilwhy.core.review import hold_to_gold
from distilwhy.core.splits import SplitName
from distilwhy.core.task import Example
from distilwhy.pipeline.annotate.calls import Call, CallBuilder, open_calls
from distilwhy.pipeline.experiment import Experiment
from distilwhy.store.examples_on_disk import pick
from distilwhy.store.ledger import Entry, Ledger, read_ledger

CHUNK = 500


@dataclass(frozen=True)
class AnsweredCall:
    """A call that has ended.

    Attributes:
        entry: What the ledger holds.
        annotation: What was parsed from it, taken by itself.
    """

    call: Call
    entry: Entry
    annotation: Annotation


@dataclass(frozen=True)
class AnnotatedRow:
    """A row, and what the teacher said about it.

    Attributes:
        answers: One for each sample that was asked for so far.
        explanation: The reply about why the gold label is right, where there is one.
        annotation: All of that joined, which is what students learn; None where nothing was asked.
    """

    split: SplitName
    example: Example
    answers: tuple[AnsweredCall, ...] = ()
    explanation: AnsweredCall | None = None
    annotation: Annotation | None = None

    @property
    def calls(self) -> tuple[AnsweredCall, ...]:
        """Every call about this row that has ended."""
        return (*self.answers, self.explanation) if self.explanation else self.answers


def iterate_rows(
    experiment: Experiment, calls: CallBuilder | None = None
) -> Iterator[AnnotatedRow]:
    """The rows to annotate, split after split, whether or not they were asked about.

    A few hundred are held at a time.

    Args:
        calls: Builds the experiment's calls, if that is at hand.
    """
    calls = calls or open_calls(experiment)
    rows = ((name, example) for name, rows in experiment.annotated.items() for example in rows)
    if not experiment.folder.ledger.is_file():
        yield from (AnnotatedRow(name, example) for name, example in rows)
        return
    with read_ledger(experiment.folder.ledger) as ledger:
        while chunk := list(islice(rows, CHUNK)):
            examples = [example for _, example in chunk]
            answers = read_answers(calls, ledger, examples)
            explanations = _read_explanations(calls, ledger, examples, answers)
            for (name, example), said in zip(chunk, answers, strict=True):
                yield _row(calls, name, example, said, explanations.get(example.id))


def read_answers(
    calls: CallBuilder, ledger: Ledger, rows: Sequence[Example]
) -> list[tuple[AnsweredCall, ...]]:
    """The answers to some rows, explanations aside: for each row one for each sample."""
    asked = [calls.answer_calls(example) for example in rows]
    found = _look_up(ledger, (call for row in asked for call in row))
    return [
        tuple(
            AnsweredCall(call, found[call.key], _read_answer(calls, example, found[call.key]))
            for call in row
            if call.key in found
        )
        for example, row in zip(rows, asked, strict=True)
    ]


def join_answers(
    calls: CallBuilder, example: Example, answers: Sequence[AnsweredCall]
) -> Annotation | None:
    """The annotation of a row; None where it has no answer.

    A row whose gold label the teacher was shown has no votes: its replies were told what to say.
    """
    if not answers:
        return None
    joined = join_samples(calls.task.answer, [answer.annotation for answer in answers])
    return replace(joined, votes=(), saw_gold=True) if calls.shows_gold(example) else joined


def find_missed_gold(calls: CallBuilder, ledger: Ledger) -> np.ndarray:
    """Which train rows the teacher is asked to explain, since its answers so far missed gold.

    Returns:
        ``(train rows,)`` booleans; empty if the teacher is not asked to explain.
    """
    missed = bytearray()
    rows = iter(calls.train if calls.config.explain_wrong else ())
    while chunk := list(islice(rows, CHUNK)):
        answers = read_answers(calls, ledger, chunk)
        missed.extend(_missed_gold(calls, *pair) for pair in zip(chunk, answers, strict=True))
    return np.frombuffer(missed, bool)


def explanation_calls(calls: CallBuilder, missed_gold: np.ndarray) -> Iterator[Call]:
    """The calls that ask why gold is right.

    Args:
        missed_gold: From ``find_missed_gold``.
    """
    rows = pick(calls.train, missed_gold) if len(missed_gold) else ()
    return map(calls.explanation_call, rows)


def _read_explanations(
    calls: CallBuilder,
    ledger: Ledger,
    rows: Sequence[Example],
    answers: Sequence[Sequence[AnsweredCall]],
) -> dict[str, AnsweredCall]:
    """The explanations of those rows whose answers missed the gold label, by example id."""
    if not calls.config.explain_wrong:
        return {}
    asked = {
        example.id: (example, calls.explanation_call(example))
        for example, said in zip(rows, answers, strict=True)
        if calls.is_train(example) and _missed_gold(calls, example, said)
    }
    found = _look_up(ledger, (call for _, call in asked.values()))
    return {
        name: AnsweredCall(call, entry, _parse(calls, example, entry.completion))
        for name, (example, call) in asked.items()
        if (entry := found.get(call.key)) is not None
    }


def _row(
    calls: CallBuilder,
    split: SplitName,
    example: Example,
    answers: tuple[AnsweredCall, ...],
    explanation: AnsweredCall | None,
) -> AnnotatedRow:
    joined = join_answers(calls, example, answers)
    if joined and explanation:
        read = explanation.annotation
        if calls.task.answer.same(read.label, example.gold):
            joined = replace(joined, explanation=read.rationale)
    return AnnotatedRow(split, example, answers, explanation, joined)


def _missed_gold(calls: CallBuilder, example: Example, answers: Sequence[AnsweredCall]) -> bool:
    """Whether a row has a readable answer and a gold label, and the two differ."""
    if example.gold is None:
        return False
    joined = join_answers(calls, example, answers)
    if joined is None or joined.outcome != "ok":
        return False
    return not calls.task.answer.same(joined.label, example.gold)


def _look_up(ledger: Ledger, calls: Iterable[Call]) -> Mapping[bytes, Entry]:
    return {entry.key: entry for entry in ledger.entries(call.key for call in calls)}


def _read_answer(calls: CallBuilder, example: Example, entry: Entry) -> Annotation:
    """One answer by itself. Where the teacher was shown the gold label it must keep to it."""
    read = _parse(calls, example, entry.completion)
    return hold_to_gold(calls.task.answer, example, read) if calls.shows_gold(example) else read


def _parse(calls: CallBuilder, example: Example, completion: Completion) -> Annotation:
    return parse_completion(calls.task, example, completion, calls.config.stop)
