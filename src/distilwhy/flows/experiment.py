"""An experiment file, opened: its task, its rows, its teacher and its run folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import yaml

from distilwhy.config import (
    DataConfig,
    ExperimentConfig,
    HubConfig,
    RecordedTeacherConfig,
    Settings,
    check_config,
    read_config,
)
from distilwhy.core.annotation import Annotation
from distilwhy.core.method import METHODS, Method
from distilwhy.core.splits import SPLITS, SplitName, Splits, check_splits, set_aside
from distilwhy.core.task import Example, Task
from distilwhy.errors import ConfigError, DataError
from distilwhy.flows.inquiry import Inquiry
from distilwhy.flows.task import build_task, read_task
from distilwhy.store.records import (
    HubSplit,
    Source,
    read_examples,
)
from distilwhy.store.run import RunFolder, publish_text
from distilwhy.teachers.base import Teacher
from distilwhy.teachers.recorded import RecordedTeacher
from distilwhy.teachers.replicas import reach


@dataclass(frozen=True)
class Experiment:
    """A task, its rows, how it is done and where; checked when it is made.

    Attributes:
        config: The teacher, the student, the training, the methods and seeds.
        task: What is asked.
        splits: The rows.
        folder: Where all that is done is kept.
        file: The file it was read from; paths in ``config`` are relative to it.
        sources: Where the rows of each split come from, for messages.

    Raises:
        ConfigError: if a method cannot be trained on these rows.
        DataError: if rows are doubled, or shared between train and test.
    """

    config: Settings
    task: Task
    splits: Splits
    folder: RunFolder
    file: Path = Path("experiment")
    sources: Mapping[SplitName, str] = field(default_factory=lambda: {n: n for n in SPLITS})

    def __post_init__(self) -> None:
        check_splits(self.splits, self.sources)
        _need_gold(self)
        _check_methods(self)

    @property
    def methods(self) -> list[Method]:
        return [METHODS[name] for name in self.config.methods]

    @cached_property
    def teacher(self) -> Teacher:
        """The teacher; for an endpoint with a key, the key must be in the environment."""
        config = self.config.teacher
        if isinstance(config, RecordedTeacherConfig):
            said = [self.file.parent / name for name in config.completions]
            explained = [self.file.parent / name for name in config.explanations]
            return RecordedTeacher(said, config.samples, explained)
        return reach(config)

    @property
    def to_annotate(self) -> tuple[Example, ...]:
        """The rows that the teacher is asked about, split after split."""
        return tuple(e for name in self.config.teacher.annotate for e in self.splits.named(name))

    @cached_property
    def inquiry(self) -> Inquiry:
        """What the teacher is asked about these rows."""
        learnt = self.splits.train if "train" in self.config.teacher.annotate else ()
        return Inquiry(
            self.task,
            self.config.teacher,
            self.teacher,
            rows=lambda: self.to_annotate,
            train=lambda: learnt,
            ledger=self.folder.ledger,
        )

    def read_annotations(self) -> dict[str, Annotation]:
        """Every annotation that the ledger holds for this experiment, by example id."""
        return self.inquiry.read_annotations()

    def resolved(self) -> str:
        """The settings as they were read, defaults and all, as YAML."""
        settings = self.config.model_dump(mode="json")
        return str(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))

    def write_resolved(self) -> None:
        """Keep the settings in the run folder."""
        heading = f"# {self.file.name} as it was read, with every default\n"
        publish_text(self.folder.path / "experiment.yaml", heading + self.resolved())


def open_experiment(path: Path | str, base_url: str | None = None) -> Experiment:
    """Read an experiment file and everything it names.

    Args:
        base_url: Another address for the teacher's endpoint, in the stead of all that the file
            names; answers are not keyed by it.

    Raises:
        ConfigError: if the file says something that cannot be done.
        DataError: if rows are missing, broken, doubled, or shared between train and test.
    """
    file = Path(path)
    config = read_config(file, ExperimentConfig)
    if base_url is not None:
        changed = {**config.teacher.model_dump(exclude={"replicas"}), "base_url": base_url}
        teacher = check_config(changed, type(config.teacher), f"{file}: teacher")
        config = config.model_copy(update={"teacher": teacher})
    if isinstance(config.task, str):
        task = read_task(file.parent / config.task)
    else:
        task = build_task(config.task, file, "task.")
    splits, sources = _read_splits(config.data, file.parent, task)
    out = file.parent / (config.out or f"runs/{file.stem}")
    return Experiment(config, task, splits, RunFolder(out), file, sources)


def _read_splits(data: DataConfig, base: Path, task: Task) -> tuple[Splits, dict[SplitName, str]]:
    train_source = _source(data.train, base)
    train: Sequence[Example] = read_examples(train_source, task)
    sources = {"train": str(train_source), "validation": str(train_source), "test": ""}
    if isinstance(data.validation, float):
        if len(train) < 2:
            raise DataError(
                f"{train_source}: one row cannot be split into train and validation; give it more"
            )
        train, validation = set_aside(train, data.validation)
    else:
        source = _source(data.validation, base)
        sources["validation"] = str(source)
        validation = tuple(read_examples(source, task))
    test: tuple[Example, ...] = ()
    if data.test is not None:
        source = _source(data.test, base)
        sources["test"] = str(source)
        test = tuple(read_examples(source, task))
    return Splits(tuple(train), validation, test), sources


def _source(value: str | HubConfig, base: Path) -> Source:
    if isinstance(value, HubConfig):
        return HubSplit(value.hub, value.split, value.name)
    return base / value


def _need_gold(experiment: Experiment) -> None:
    gold = experiment.task.wording.gold
    for example in experiment.splits.test:
        if example.gold is None:
            named = f"field {gold!r}" if gold else "the task names no 'gold' field"
            raise DataError(
                f"{experiment.sources['test']}: test row {example.id!r} has no gold "
                f"label ({named}); a score needs one on every test row, so write it there"
            )


def _check_methods(experiment: Experiment) -> None:
    config = experiment.config
    if config.training.wrong_rationales == "explain" and not config.teacher.explain_wrong:
        raise ConfigError(
            f"{experiment.file}: training.wrong_rationales is 'explain', and the teacher is not "
            "asked for explanations; set teacher.explain_wrong to true"
        )
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
        if method.asks_teacher and not {"validation", "test"} <= set(config.teacher.annotate):
            raise ConfigError(
                f"{experiment.file}: method {method.name!r} reads the teacher's rationale with "
                "every input, and teacher.annotate leaves out 'validation' or 'test'; add them"
            )
    unlabelled = all(e.gold is None for e in experiment.splits.validation)
    if unlabelled and "validation" not in config.teacher.annotate:
        raise ConfigError(
            f"{experiment.file}: no validation row has a gold label to choose a checkpoint by, and "
            "teacher.annotate leaves out 'validation'; add it there, or give rows their gold label"
        )
