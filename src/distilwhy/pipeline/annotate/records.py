"""The annotated rows of an experiment: each row with its completions, parsed."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, islice

import numpy as np

from distilwhy.core.parsing.completion import Annotation
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.review import hold_to_gold
from distilwhy.core.splits import SplitName
from distilwhy.core.stats.comparisons import OutcomeCounts, count_outcomes
from distilwhy.core.stats.vote import join_samples
from distilwhy.core.task import Example
from distilwhy.pipeline.annotate.calls import Call, CallBuilder, open_calls
from distilwhy.pipeline.experiment import Experiment
from distilwhy.store.examples_on_disk import pick
from distilwhy.store.ledger import Entry, Ledger, read_ledger

CHUNK = 500


@dataclass(frozen=True)
class AnsweredCall:
    """A call with its result, as in the ledger, and that completion parsed by itself."""

    call: Call
    entry: Entry
    annotation: Annotation


@dataclass(frozen=True)
class AnnotatedRow:
    """A row and the results of its calls.

    Attributes:
        answers: One for each sample so far.
        explanation: The result of asking why the gold label is right.
        annotation: What students learn, from all of these; None if there is no answer.
    """

    split: SplitName
    example: Example
    answers: tuple[AnsweredCall, ...] = ()
    explanation: AnsweredCall | None = None
    annotation: Annotation | None = None

    @property
    def calls(self) -> tuple[AnsweredCall, ...]:
        """All of the row's calls that have a result."""
        return (*self.answers, self.explanation) if self.explanation else self.answers

    @property
    def has_same_samples(self) -> bool | None:
        """Whether all samples are the same text; None if there are not several, with reasons."""
        if len(self.answers) < 2 or self.annotation is None or not self.annotation.rationale:
            return None
        return len({answer.entry.completion.text for answer in self.answers}) == 1


def iterate_rows(
    experiment: Experiment, calls: CallBuilder | None = None
) -> Iterator[AnnotatedRow]:
    """Yield the rows to annotate, split by split, whether or not the teacher was asked about
    them."""
    calls = calls or open_calls(experiment)
    rows = ((split, example) for split, rows in experiment.annotated.items() for example in rows)
    if not experiment.folder.ledger.is_file():
        yield from (AnnotatedRow(split, example) for split, example in rows)
        return
    with read_ledger(experiment.folder.ledger) as ledger:
        while chunk := list(islice(rows, CHUNK)):
            examples = [example for _, example in chunk]
            answers = read_answers(calls, ledger, examples)
            annotations = list(map(partial(join_answers, calls), examples, answers))
            explanations = _read_explanations(calls, ledger, examples, annotations)
            for (split, example), found, annotation in zip(
                chunk, answers, annotations, strict=True
            ):
                explanation = explanations.get(example.id)
                if annotation and explanation:
                    reason = explanation.annotation
                    # A rationale counts only if it argues for the gold label.
                    if calls.task.answer.same(reason.label, example.gold):
                        annotation = replace(annotation, explanation=reason.rationale)
                yield AnnotatedRow(split, example, found, explanation, annotation)


def count_rows(
    experiment: Experiment,
    calls: CallBuilder | None = None,
    watch: Callable[[AnnotatedRow], None] = lambda row: None,
) -> dict[SplitName, OutcomeCounts]:
    """The rows of each split by outcome, and the teacher's accuracy. ``watch`` sees each row."""
    sampled: dict[SplitName, list[bool]] = defaultdict(list)

    def read(row: AnnotatedRow) -> tuple[Example, Annotation | None]:
        watch(row)
        if (is_same := row.has_same_samples) is not None:
            sampled[row.split].append(is_same)
        return row.example, row.annotation

    counts = {
        split: count_outcomes(experiment.task.answer, map(read, rows))
        for split, rows in groupby(iterate_rows(experiment, calls), key=lambda row: row.split)
    }
    return {
        split: replace(found, sampled=len(sampled[split]), same_samples=sum(sampled[split]))
        for split, found in counts.items()
    }


def read_answers(
    calls: CallBuilder, ledger: Ledger, rows: Sequence[Example]
) -> list[tuple[AnsweredCall, ...]]:
    """The answers to each row, one for each sample, without explanations."""
    asked = [calls.answer_calls(example) for example in rows]
    found = _look_up(ledger, (call for row in asked for call in row))
    return [
        tuple(
            AnsweredCall(call, found[call.key], _parse_answer(calls, example, found[call.key]))
            for call in row
            if call.key in found
        )
        for example, row in zip(rows, asked, strict=True)
    ]


def join_answers(
    calls: CallBuilder, example: Example, answers: Sequence[AnsweredCall]
) -> Annotation | None:
    """The annotation of a row; None if it has no answer.

    If the teacher was shown the gold label there are no votes: it was told what to answer.
    """
    if not answers:
        return None
    joined = join_samples(calls.task.answer, [answer.annotation for answer in answers])
    return replace(joined, votes=(), saw_gold=True) if calls.shows_gold(example) else joined


def misses_gold(calls: CallBuilder, example: Example, annotation: Annotation | None) -> bool:
    """Whether the teacher is asked to explain the gold label of a row: its own label differs."""
    if not calls.config.explain_wrong or annotation is None or annotation.outcome != "ok":
        return False
    return example.gold is not None and not calls.task.answer.same(annotation.label, example.gold)


def find_missed_gold(calls: CallBuilder, ledger: Ledger) -> np.ndarray:
    """``misses_gold`` of each train row, as far as there are answers, as ``(train rows,)``
    booleans; empty if the teacher is not asked to explain."""
    missed = bytearray()
    rows = iter(calls.train if calls.config.explain_wrong else ())
    while chunk := list(islice(rows, CHUNK)):
        for example, answers in zip(chunk, read_answers(calls, ledger, chunk), strict=True):
            missed.append(misses_gold(calls, example, join_answers(calls, example, answers)))
    return np.frombuffer(missed, bool)


def explanation_calls(calls: CallBuilder, missed_gold: np.ndarray) -> Iterator[Call]:
    """The calls that ask why gold is right; ``missed_gold`` is from ``find_missed_gold``."""
    rows = pick(calls.train, missed_gold) if len(missed_gold) else ()
    return map(calls.explanation_call, rows)


def _read_explanations(
    calls: CallBuilder,
    ledger: Ledger,
    rows: Sequence[Example],
    annotations: Sequence[Annotation | None],
) -> dict[str, AnsweredCall]:
    """The explanations of rows whose annotations missed the gold label, by example id."""
    asked = {
        example.id: (example, calls.explanation_call(example))
        for example, annotation in zip(rows, annotations, strict=True)
        if misses_gold(calls, example, annotation) and calls.is_train(example)
    }
    found = _look_up(ledger, (call for _, call in asked.values()))
    return {
        name: AnsweredCall(call, entry, _parse(calls, example, entry))
        for name, (example, call) in asked.items()
        if (entry := found.get(call.key)) is not None
    }


def _look_up(ledger: Ledger, calls: Iterable[Call]) -> dict[bytes, Entry]:
    return {entry.key: entry for entry in ledger.entries(call.key for call in calls)}


def _parse_answer(calls: CallBuilder, example: Example, entry: Entry) -> Annotation:
    """One answer by itself. If the teacher was shown the gold label, it must give that."""
    found = _parse(calls, example, entry)
    return hold_to_gold(calls.task.answer, example, found) if calls.shows_gold(example) else found


def _parse(calls: CallBuilder, example: Example, entry: Entry) -> Annotation:
    return parse_completion(calls.task, example, entry.completion, calls.config.stop)
