"""What a teacher is asked, and what it has said."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np

from distilwhy.config import HttpTeacherConfig, TeacherConfig
from distilwhy.core.parsing.completion import Annotation, Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.parsing.vote import join_samples
from distilwhy.core.prompt import Prompt
from distilwhy.core.prompt_builder import PromptBuilder
from distilwhy.core.review import hold_to_gold
from distilwhy.core.task import Example, Exemplar, Task
from distilwhy.pipeline.annotate.call import Call
from distilwhy.store.ledger import Entry, Ledger, call_key, open_ledger
from distilwhy.teachers.base import Teacher

CHUNK = 500

Rows = Callable[[], Iterable[Example]]


@dataclass(frozen=True)
class Inquiry:
    """A task, a teacher, and the rows that it is asked about, one after the other: they need not
    fit into memory.

    Attributes:
        rows: Gives all rows to ask about, in the same order each time.
        train: Gives those of them that students learn from, about whose gold labels a teacher
            that missed them may be asked.
        ledger: Where the answers are kept.
    """

    task: Task
    config: TeacherConfig
    teacher: Teacher
    rows: Rows
    train: Rows
    ledger: Path

    @cached_property
    def _prompter(self) -> PromptBuilder:
        config = self.config
        structured = isinstance(config, HttpTeacherConfig) and config.structured
        draw, count = config.exemplars.draw, config.exemplars.shown
        return PromptBuilder(self.task, config.strategy, draw, count, structured=structured)

    @cached_property
    def _learnt(self) -> np.ndarray:
        """Hashes of the ids of ``train``, in order: the ids themselves need not fit into memory."""
        hashes = np.array(array("q", (hash(example.id) for example in self.train())))
        hashes.sort()
        return hashes

    def _is_learnt(self, example: Example) -> bool:
        place = np.searchsorted(self._learnt, hash(example.id))
        return hash(example.id) in self._learnt[place : place + 1]

    @property
    def exemplars(self) -> tuple[Exemplar, ...]:
        """What prompts show some or all of."""
        return self._prompter.task.exemplars

    def shows_gold(self, example: Example) -> bool:
        """Whether the teacher is shown a row's gold label from the first."""
        strategy, known = self.config.strategy, example.gold is not None
        return strategy == "explain-label" and known and self._is_learnt(example)

    def prompt(self, example: Example) -> Prompt:
        """What asks about a row."""
        return self._prompter.prompt(example, show_gold=self.shows_gold(example))

    def answer_calls(self) -> Iterator[Call]:
        """The calls that ask for answers: as many samples of each row as are wanted.

        Every row's first sample comes before any row's second, so that a row whose calls all
        fail is not taken for an endpoint whose calls all fail.
        """
        for sample in range(self.config.samples):
            for example in self.rows():
                yield self.answer_call(example, sample)

    def answer_call(self, example: Example, sample: int = 0) -> Call:
        """The call that asks about a row for the first, second, … time."""
        prompt = self.prompt(example)
        return Call(call_key(self.teacher.request(prompt), sample), prompt, sample)

    def explanation_calls(self) -> Iterator[Call]:
        """The calls that ask why gold is right, as far as the answers kept so far call for any."""
        if self.config.explain_wrong and self.ledger.is_file():
            with open_ledger(self.ledger) as ledger:
                for rows in _chunks(self.train()):
                    answers = self.read_answers(ledger, rows)
                    yield from map(self._explanation_call, self._misjudged(rows, answers))

    def read_annotations(self) -> dict[str, Annotation]:
        """Every annotation that the ledger holds, by example id."""
        return dict(self.iterate_annotations())

    def iterate_annotations(self) -> Iterator[tuple[str, Annotation]]:
        """The same, one after the other."""
        for example, annotation in self.read(self.rows()):
            if annotation is not None:
                yield example.id, annotation

    def read(self, rows: Iterable[Example]) -> Iterator[tuple[Example, Annotation | None]]:
        """Some of the rows, one after the other, each with its annotation if there is one."""
        if not self.ledger.is_file():
            yield from ((example, None) for example in rows)
            return
        with open_ledger(self.ledger) as ledger:
            for chunk in _chunks(rows):
                answers = self.read_answers(ledger, chunk)
                if self.config.explain_wrong:
                    learnt = list(filter(self._is_learnt, chunk))
                    answers |= self._read_explanations(ledger, learnt, answers)
                yield from ((example, answers.get(example.id)) for example in chunk)

    def read_entries(self, calls: Iterable[Call]) -> list[Entry]:
        """Every reply that the ledger holds to some calls."""
        if not self.ledger.is_file():
            return []
        keys = [call.key for call in calls]
        with open_ledger(self.ledger) as ledger:
            return [entry for entry in ledger.entries(keys) if entry.completion.error is None]

    def _explanation_call(self, example: Example) -> Call:
        prompt = self._prompter.prompt(example, show_gold=True)
        return Call(call_key(self.teacher.request(prompt)), prompt, again=True)

    def _misjudged(
        self, rows: Iterable[Example], annotations: Mapping[str, Annotation]
    ) -> list[Example]:
        """The rows that have a readable answer and a gold label, and the two differ."""
        same = self.task.answer.same
        return [
            example
            for example in rows
            if (found := annotations.get(example.id)) is not None and found.outcome == "ok"
            if example.gold is not None and not same(found.label, example.gold)
        ]

    def read_answers(self, ledger: Ledger, rows: Sequence[Example]) -> dict[str, Annotation]:
        """The annotations of some rows, explanations aside, by example id."""
        keys = {example.id: self._answer_keys(example) for example in rows}
        found = ledger.get(key for row in keys.values() for key in row)
        return {
            example.id: self.join(example, [self.read_answer(example, one) for one in said])
            for example in rows
            if (said := [found[key] for key in keys[example.id] if key in found])
        }

    def _answer_keys(self, example: Example) -> list[bytes]:
        request = self.teacher.request(self.prompt(example))
        return [call_key(request, sample) for sample in range(self.config.samples)]

    def read_answer(self, example: Example, completion: Completion) -> Annotation:
        """One answer, read alone; where the teacher was shown the gold label it must keep to it."""
        read = self._read(example, completion)
        return hold_to_gold(self.task.answer, example, read) if self.shows_gold(example) else read

    def join(self, example: Example, read: Sequence[Annotation]) -> Annotation:
        """The annotation of a row; votes among replies that were shown the answer are none."""
        joined = join_samples(self.task.answer, read)
        return replace(joined, votes=(), saw_gold=True) if self.shows_gold(example) else joined

    def _read_explanations(
        self, ledger: Ledger, rows: Sequence[Example], answers: Mapping[str, Annotation]
    ) -> dict[str, Annotation]:
        """The annotations of misjudged rows about which the teacher was asked why gold is right."""
        misjudged = self._misjudged(rows, answers)
        keys = {example.id: self._explanation_call(example).key for example in misjudged}
        found = ledger.get(keys.values())
        return {
            e.id: replace(answers[e.id], explanation=self._reasons_for_gold(e, found[keys[e.id]]))
            for e in misjudged
            if keys[e.id] in found
        }

    def _reasons_for_gold(self, example: Example, completion: Completion) -> str:
        """The reasons in a reply that keeps to the gold label; of another reply, none."""
        read = self._read(example, completion)
        return read.rationale if self.task.answer.same(read.label, example.gold) else ""

    def _read(self, example: Example, completion: Completion) -> Annotation:
        return parse_completion(self.task, example, completion, self.config.stop)


def _chunks(rows: Iterable[Example]) -> Iterator[list[Example]]:
    waiting = iter(rows)
    while chunk := list(islice(waiting, CHUNK)):
        yield chunk
