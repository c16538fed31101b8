"""An experiment file, opened: its task, its rows, its teacher and its run folder."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
import yaml

from distilwhy.config import (
    DataConfig,
    ExperimentConfig,
    HubConfig,
    LocalTeacherConfig,
    RecordedTeacherConfig,
    Settings,
    check_config,
    read_config,
)
from distilwhy.core.method import METHODS, Method
from distilwhy.core.parsing.completion import Annotation
from distilwhy.core.splits import SPLITS, SplitName, Splits, check_splits, choose_aside
from distilwhy.core.task import Example, Task
from distilwhy.errors import ConfigError, DataError
from distilwhy.pipeline.annotate.call import Call
from distilwhy.pipeline.annotate.calls import Inquiry
from distilwhy.pipeline.annotate.coverage import (
    CallIndex,
    build_index,
    is_stale,
    load_index,
    save_index,
    sign,
)
from distilwhy.pipeline.annotate.recorded_files import open_recorded
from distilwhy.pipeline.task import build_task, read_task
from distilwhy.store.examples import open_examples, pick
from distilwhy.store.records import HubSplit, Source
from distilwhy.store.run import RunFolder, publish_text
from distilwhy.students.settings import SCRATCH
from distilwhy.teachers.base import Teacher
from distilwhy.teachers.local.teacher import LocalTeacher
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
        signature: Of all that the rows depend on; "" where that cannot be told.
        aside: Which rows of the train file are set aside for validation, a boolean for each;
            empty where none are.
        known: What is known of the rows since they were last gone through.

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
    signature: str = ""
    aside: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    known: CallIndex | None = None

    def __post_init__(self) -> None:
        if self.known is None:
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
            return open_recorded(config, self.file.parent)
        if isinstance(config, LocalTeacherConfig):
            return LocalTeacher(config, self._find("teacher.model", config.model))
        name = config.tokenizer
        return reach(config, self._find("teacher.tokenizer", name) if name else None)

    def find_student(self, name: str) -> str:
        """Where the model of a student of the study is: in a folder, or on the hub.

        Args:
            name: Of the student, "" being that of the ``student`` section.

        Raises:
            ConfigError: if it can only be in a folder, and there is none.
        """
        model = self.config.students[name].model
        key = f"study.students.{name}" if name else "student"
        return model if model == SCRATCH else self._find(f"{key}.model", model)

    def _find(self, key: str, name: str) -> str:
        """The local folder of that name, beside the experiment file; else a name on the hub.

        Raises:
            ConfigError: if it can be no such name, and there is no folder.
        """
        folder = self.file.parent / Path(name).expanduser()
        if folder.is_dir():
            return str(folder)
        if _is_path(name):
            raise ConfigError(
                f"{self.file}: {key}: {name!r} is no folder; check the path (it is relative to "
                "the experiment)"
            )
        return name

    @property
    def annotated(self) -> dict[SplitName, Sequence[Example]]:
        """The rows that the teacher is asked about."""
        return {name: self.splits.named(name) for name in self.config.teacher.annotate}

    def to_annotate(self) -> Iterator[Example]:
        """The same, one after the other."""
        return (example for rows in self.annotated.values() for example in rows)

    @cached_property
    def inquiry(self) -> Inquiry:
        """What the teacher is asked about these rows."""
        return Inquiry(
            self.task,
            self.config.teacher,
            self.teacher,
            rows=self.to_annotate,
            train=lambda: self.annotated.get("train", ()),
            ledger=self.folder.ledger,
        )

    def roll(self) -> CallIndex:
        """What the rows need, kept in the run folder, if there is one, so that they are gone
        through once."""
        samples = range(self.config.teacher.samples)

        def calls(example: Example) -> list[Call]:
            return [self.inquiry.answer_call(example, sample) for sample in samples]

        if self.known is not None and not is_stale(self.known, self.annotated, calls):
            return self.known
        roll = build_index(self.aside, self.annotated, calls, len(samples))
        if self.folder.path.is_dir():
            save_index(self.folder, self.signature, roll)
        return roll

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


def _is_path(name: str) -> bool:
    """Whether a model's name can only be a path, and not a name on the hub."""
    return name.startswith((".", "/", "~")) or name.count("/") > 1


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
    folder = RunFolder(file.parent / (config.out or f"runs/{file.stem}"))
    sources = _find_sources(config.data, file.parent)
    signature = sign(config, task, sources.values())
    known = load_index(folder, signature, config.teacher.annotate)
    splits, aside = _open_splits(config.data, sources, task, known.aside if known else None)
    names = {name: str(sources.get(name, "")) for name in SPLITS}
    return Experiment(config, task, splits, folder, file, names, signature, aside, known)


def _find_sources(data: DataConfig, base: Path) -> dict[SplitName, Source]:
    """Where the rows of each split are; those of train also where some are set aside."""
    named = {"train": data.train, "validation": data.validation, "test": data.test}
    return {
        name: _source(data.train if isinstance(value, float) else value, base)
        for name, value in named.items()
        if value is not None
    }


def _open_splits(
    data: DataConfig, sources: Mapping[SplitName, Source], task: Task, aside: np.ndarray | None
) -> tuple[Splits, np.ndarray]:
    """The rows of each split, and which of the train file are set aside.

    Args:
        aside: The same, where it is known.
    """
    train = open_examples(sources["train"], task)
    test = open_examples(sources["test"], task) if "test" in sources else ()
    if not isinstance(data.validation, float):
        return Splits(train, open_examples(sources["validation"], task), test), np.zeros(0, bool)
    if len(list(islice(train, 2))) < 2:
        raise DataError(
            f"{sources['train']}: one row cannot be split into train and validation; give it more"
        )
    if aside is None:
        aside = choose_aside(train, data.validation)
    return Splits(pick(train, ~aside), pick(train, aside), test), aside


def _source(value: str | HubConfig, base: Path) -> Source:
    if isinstance(value, HubConfig):
        return HubSplit(value.hub, value.split, value.name)
    return base / value


def _need_gold(experiment: Experiment) -> None:
    gold = experiment.task.row_format.gold
    for example in experiment.splits.test:
        if example.gold is None:
            named = f"field {gold!r}" if gold else "the task names no 'gold' field"
            raise DataError(
                f"{experiment.sources['test']}: test row {example.id!r} has no gold "
                f"label ({named}); a score needs one on every test row, so write it there"
            )


def _check_methods(experiment: Experiment) -> None:
    config = experiment.config
    if config.teacher.exemplars.draw != "fixed" and not experiment.task.exemplars:
        raise ConfigError(
            f"{experiment.file}: teacher.exemplars draws from the task's exemplars, and there are "
            "none; write some, or leave it out"
        )
    explains = config.teacher.explain_wrong or config.teacher.strategy == "explain-label"
    if config.training.wrong_rationales == "explain" and not explains:
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
