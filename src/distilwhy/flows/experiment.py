"""An experiment file, opened: its task, its rows, its teacher and its run folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml

from distilwhy.config import (
    AnswerConfig,
    ExperimentConfig,
    HubConfig,
    RecordedTeacherConfig,
    TaskConfig,
    check_config,
    read_config,
)
from distilwhy.core.annotation import Annotation, parse_completion
from distilwhy.core.answer import Answer
from distilwhy.core.method import METHODS, Method
from distilwhy.core.prompt import render_prompt
from distilwhy.core.splits import Splits, check_splits, set_aside
from distilwhy.core.task import Example, Task, Wording
from distilwhy.errors import ConfigError, DataError
from distilwhy.store.ledger import call_key, open_ledger
from distilwhy.store.records import (
    HubSplit,
    Row,
    Source,
    read_examples,
    read_exemplars,
    read_rows,
)
from distilwhy.store.run import RunFolder, publish_text
from distilwhy.teachers.base import Teacher
from distilwhy.teachers.http import HttpTeacher
from distilwhy.teachers.recorded import RecordedTeacher


@dataclass(frozen=True)
class Experiment:
    """All that an experiment file names, read and checked."""

    config: ExperimentConfig
    file: Path
    task: Task
    splits: Splits
    folder: RunFolder

    @property
    def methods(self) -> list[Method]:
        return [METHODS[name] for name in self.config.methods]

    @cached_property
    def teacher(self) -> Teacher:
        """The teacher; for an endpoint with a key, the key must be in the environment."""
        config = self.config.teacher
        if isinstance(config, RecordedTeacherConfig):
            return RecordedTeacher([self.file.parent / name for name in config.completions])
        return HttpTeacher(config)

    @property
    def to_annotate(self) -> tuple[Example, ...]:
        """The rows that the teacher is asked about, split after split."""
        return tuple(e for name in self.config.teacher.annotate for e in self.splits.named(name))

    def key(self, example: Example) -> str:
        """The ledger's key of the call about an example."""
        return call_key(self.teacher.request(render_prompt(self.task, example)))

    def read_annotations(self) -> dict[str, Annotation]:
        """Every annotation that the ledger holds for this experiment, by example id."""
        if not self.folder.ledger.is_file():
            return {}
        keys = {example.id: self.key(example) for example in self.to_annotate}
        with open_ledger(self.folder.ledger) as ledger:
            completions = ledger.get(keys.values())
        stop = self.config.teacher.stop
        return {
            example.id: parse_completion(self.task, example, completions[key], stop)
            for example in self.to_annotate
            if (key := keys[example.id]) in completions
        }

    def write_resolved(self) -> None:
        """Keep the experiment as it was read, defaults and all, in the run folder."""
        resolved = self.config.model_dump(mode="json")
        publish_text(
            self.folder.path / "experiment.yaml",
            f"# {self.file.name} as it was read, with every default\n"
            + yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True),
        )


def open_experiment(path: Path | str, base_url: str | None = None) -> Experiment:
    """Read an experiment file and everything it names.

    Args:
        base_url: Another address for the teacher's endpoint; answers are not keyed by it.

    Raises:
        ConfigError: if the file says something that cannot be done.
        DataError: if rows are missing, broken, doubled, or shared between train and test.
    """
    file = Path(path)
    config = read_config(file, ExperimentConfig)
    if base_url is not None:
        teacher = config.teacher.model_copy(update={"base_url": base_url})
        config = config.model_copy(update={"teacher": teacher})
    if isinstance(config.task, str):
        task = read_task(file.parent / config.task)
    else:
        task = _task(config.task, file, "task.")
    splits = _read_splits(config, file.parent, task)
    out = file.parent / (config.out or f"runs/{file.stem}")
    experiment = Experiment(config, file, task, splits, RunFolder(out))
    _check_methods(experiment)
    return experiment


def read_task(path: Path | str) -> Task:
    """The task in a YAML file.

    Raises:
        ConfigError: if the file says something that cannot be done.
        DataError: if an exemplar is broken.
    """
    file = Path(path)
    return _task(read_config(file, TaskConfig), file, "")


def parse_task(text: str, where: str = "task") -> Task:
    """The task in a YAML text, with its exemplars inline.

    Raises:
        ConfigError: if the text says something that cannot be done.
    """
    return _task(check_config(yaml.safe_load(text), TaskConfig, where), Path(where), "")


def _task(config: TaskConfig, file: Path, prefix: str) -> Task:
    answer = _answer(config.answer, f"{file}: {prefix}answer")
    wording = Wording(config.input, config.gold, config.answer.options, config.id)
    bare = Task(config.instruction.strip(), wording, answer)
    if isinstance(config.exemplars, str):
        rows = _exemplar_rows(file.parent / config.exemplars)
    else:
        rows = [(row, f"{file}: exemplar {i}") for i, row in enumerate(config.exemplars, 1)]
    exemplars = read_exemplars(rows, bare)
    return Task(bare.instruction, wording, answer, exemplars)


def _exemplar_rows(path: Path) -> list[tuple[Row, str]]:
    if path.suffix not in (".yaml", ".yml"):
        return list(read_rows(path))
    try:
        rows = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: exemplars cannot be read ({error})") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ConfigError(f"{path}: must be a list of exemplars, each with its fields")
    return [(row, f"{path}: exemplar {i}") for i, row in enumerate(rows, 1)]


def _answer(config: AnswerConfig, where: str) -> Answer:
    if config.kind == "choice" and bool(config.labels) == bool(config.options):
        raise ConfigError(
            f"{where}: a choice needs either 'labels', the fixed ones, or 'options', "
            "the field with the row's own"
        )
    if config.kind != "choice" and (config.labels or config.options):
        raise ConfigError(f"{where}: kind {config.kind!r} takes no 'labels' or 'options'")
    if config.labels and len(set(config.labels)) < max(2, len(config.labels)):
        raise ConfigError(f"{where}.labels: must be two or more, each once; got {config.labels}")
    return Answer(config.kind, tuple(config.labels))


def _read_splits(config: ExperimentConfig, base: Path, task: Task) -> Splits:
    data = config.data
    train_source = _source(data.train, base)
    train: Sequence[Example] = read_examples(train_source, task)
    files = {"train": str(train_source), "validation": str(train_source), "test": ""}
    if isinstance(data.validation, float):
        if len(train) < 2:
            raise DataError(f"{train_source}: one row cannot be split into train and validation")
        train, validation = set_aside(train, data.validation)
    else:
        source = _source(data.validation, base)
        files["validation"] = str(source)
        validation = tuple(read_examples(source, task))
    test: tuple[Example, ...] = ()
    if data.test is not None:
        source = _source(data.test, base)
        files["test"] = str(source)
        test = tuple(read_examples(source, task))
        _need_gold(test, files["test"], task)
    splits = Splits(tuple(train), validation, test)
    check_splits(splits, files)
    return splits


def _source(value: str | HubConfig, base: Path) -> Source:
    if isinstance(value, HubConfig):
        return HubSplit(value.hub, value.split, value.name)
    return base / value


def _need_gold(examples: Sequence[Example], where: str, task: Task) -> None:
    for number, example in enumerate(examples, 1):
        if example.gold is None:
            field = (
                f"field {task.wording.gold!r}" if task.wording.gold else "no 'gold' field is named"
            )
            raise DataError(
                f"{where} row {number}: test row {example.id!r} has no gold label ({field}); "
                "a score needs one on every test row"
            )


def _check_methods(experiment: Experiment) -> None:
    config = experiment.config
    for method in experiment.methods:
        if method.labels == "gold" and all(e.gold is None for e in experiment.splits.train):
            raise ConfigError(
                f"{experiment.file}: method {method.name!r} learns gold labels, and no train row "
                "has one; give rows their gold label, or take it out of 'methods'"
            )
        if method.needs_teacher and "train" not in config.teacher.annotate:
            raise ConfigError(
                f"{experiment.file}: method {method.name!r} learns from the teacher, and "
                "teacher.annotate leaves out 'train'; add it there"
            )
