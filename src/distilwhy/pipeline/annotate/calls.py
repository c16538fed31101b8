"""The calls that an experiment's rows need: what is sent to the teacher, and under which key."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from distilwhy.config import LocalTeacherConfig, RecordedTeacherConfig, TeacherConfig
from distilwhy.core.prompt import Prompt
from distilwhy.core.prompt_builder import PromptBuilder
from distilwhy.core.task import Example, Exemplar, Task
from distilwhy.pipeline.annotate.form import ReplyForm, find_form
from distilwhy.pipeline.annotate.recorded_files import open_recorded
from distilwhy.pipeline.experiment import Experiment
from distilwhy.store.ledger import call_key
from distilwhy.teachers.base import Teacher
from distilwhy.teachers.local.teacher import LocalTeacher
from distilwhy.teachers.replicas import open_http_teacher


@dataclass(frozen=True)
class Call:
    """One request to the teacher.

    Attributes:
        key: The ledger's key for the answer.
        prompt: What is sent.
        sample: Which of several answers to the same prompt is wanted, from 0.
        is_explanation: Whether it asks why the gold label of an answered row is right.
    """

    key: bytes
    prompt: Prompt
    sample: int = 0
    is_explanation: bool = False


@dataclass(frozen=True)
class CallBuilder:
    """Builds the calls of an experiment. Get one from ``open_calls``.

    Attributes:
        train: The annotated rows that students learn from. Only about these is the teacher shown
            the gold label.
        form: The form in which replies are asked for.
    """

    task: Task
    config: TeacherConfig
    teacher: Teacher
    train: Sequence[Example]
    form: ReplyForm

    @property
    def exemplars(self) -> tuple[Exemplar, ...]:
        """The exemplars that prompts are built from; a prompt may show only some of them."""
        return self._prompts.task.exemplars

    def shows_gold(self, example: Example) -> bool:
        """Whether the prompt for an answer contains the row's gold label."""
        explains = self.config.strategy == "explain-label"
        return explains and example.gold is not None and self.is_train(example)

    def prompt(self, example: Example) -> Prompt:
        """The prompt that asks for an answer to a row."""
        return self._prompts.prompt(example, show_gold=self.shows_gold(example))

    def answer_call(self, example: Example, sample: int = 0) -> Call:
        """The call that asks for one answer to a row."""
        prompt = self.prompt(example)
        return Call(call_key(self.teacher.request(prompt), sample), prompt, sample)

    def answer_calls(self, example: Example) -> list[Call]:
        """The calls that ask for all the answers to a row, one for each sample."""
        prompt = self.prompt(example)
        request = self.teacher.request(prompt)
        samples = range(self.config.samples)
        return [Call(call_key(request, sample), prompt, sample) for sample in samples]

    def all_answer_calls(self, list_rows: Callable[[], Iterable[Example]]) -> Iterator[Call]:
        """The calls that ask for all the answers to some rows.

        The first sample of every row comes before the second of any row. So a row whose calls all
        fail is not mistaken for an endpoint whose calls all fail.
        """
        for sample in range(self.config.samples):
            for example in list_rows():
                yield self.answer_call(example, sample)

    def explanation_call(self, example: Example) -> Call:
        """The call that asks why a row's gold label is right."""
        prompt = self._prompts.prompt(example, show_gold=True)
        return Call(call_key(self.teacher.request(prompt)), prompt, is_explanation=True)

    def in_form(self, form: ReplyForm) -> "CallBuilder":
        """The builder of the same calls with replies in this form."""
        return replace(self, form=form)

    def is_train(self, example: Example) -> bool:
        """Whether a row is one of ``train``."""
        place = np.searchsorted(self._train_hashes, hash(example.id))
        return hash(example.id) in self._train_hashes[place : place + 1]

    @cached_property
    def _prompts(self) -> PromptBuilder:
        config = self.config
        draw, count = config.exemplars.draw, config.exemplars.shown
        structured = self.form.structured
        return PromptBuilder(self.task, config.strategy, draw, count, structured=structured)

    @cached_property
    def _train_hashes(self) -> np.ndarray:
        """Sorted hashes of the ids of ``train``: the ids themselves may not fit into memory."""
        hashes = np.array(array("q", (hash(example.id) for example in self.train)))
        hashes.sort()
        return hashes


def open_calls(experiment: Experiment) -> CallBuilder:
    """The builder of an experiment's calls, with its teacher opened.

    Raises:
        ConfigError: if the teacher's model or tokenizer is a path that does not exist.
        TeacherError: if recorded completions cannot be read.
    """
    config = experiment.config.teacher
    teacher = open_teacher(experiment)
    forms = [
        CallBuilder(experiment.task, config, teacher, experiment.annotated_train, ReplyForm(form))
        for form in (False, True)
    ]

    def list_keys(example: Example, structured: bool) -> list[bytes]:
        return [call.key for call in forms[structured].answer_calls(example)]

    return forms[0].in_form(find_form(experiment, list_keys))


def open_teacher(experiment: Experiment) -> Teacher:
    """The teacher of an experiment. No endpoint is contacted, and no model is loaded yet.

    Raises:
        ConfigError: if its model or tokenizer is a path that does not exist.
        TeacherError: if recorded completions cannot be read.
    """
    config, key = experiment.config.teacher, experiment.teacher_key
    if isinstance(config, RecordedTeacherConfig):
        return open_recorded(config, experiment.file.parent, experiment.task)
    if isinstance(config, LocalTeacherConfig):
        return LocalTeacher(config, experiment.locate(f"{key}.model", config.model))
    name = config.tokenizer
    return open_http_teacher(config, experiment.locate(f"{key}.tokenizer", name) if name else None)
