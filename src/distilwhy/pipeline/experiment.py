"""An experiment file, opened: its settings, its task, its rows and its run folder."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np
import yaml

from distilwhy.config import (
    DataConfig,
    ExperimentConfig,
    HubConfig,
    Settings,
    TeacherConfig,
    check_config,
    read_config,
)
from distilwhy.core.method import METHODS, Method
from distilwhy.core.splits import SPLITS, SplitName, Splits, check_splits, choose_aside
from distilwhy.core.task import Example, Task
from distilwhy.core.wording import suggest, unknown
from distilwhy.errors import ConfigError, DataError
from distilwhy.model_files import GGUF, is_gguf_file, list_models
from distilwhy.pipeline.task import build_task, read_task
from distilwhy.store.examples_on_disk import open_examples, pick
from distilwhy.store.files import cache_arrays, publish_text, read_arrays
from distilwhy.store.rows import HubSplit, Source, read_rows
from distilwhy.store.run_folder import ASIDE, RESOLVED, RESOLVED_HEADING, RunFolder
from distilwhy.students.settings import SCRATCH


@dataclass(frozen=True)
class Experiment:
    """A task, its rows, the settings and the run folder. A plain value, checked when it is made.

    Attributes:
        file: The file that it was read from. Paths in ``config`` are relative to it.
        sources: Where the rows of each split come from, for messages.
        signature: A digest of everything that the rows and their prompts depend on; "" if it
            cannot be computed.
        aside: Which rows of the train file are set aside for validation, one boolean each; empty
            if none are.
        is_checked: Whether rows with this signature were found valid before.
        teacher_key: Where the file describes the teacher.

    Raises:
        ConfigError: if a method cannot be trained on these rows.
        DataError: if ids are duplicated, rows are shared between train and test, or a test row
            has no gold label.
    """

    config: Settings
    task: Task
    splits: Splits
    folder: RunFolder
    file: Path = Path("experiment")
    sources: Mapping[SplitName, str] = field(default_factory=lambda: {n: n for n in SPLITS})
    signature: str = ""
    aside: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    is_checked: bool = False
    teacher_key: str = "teacher"

    def __post_init__(self) -> None:
        if not self.is_checked:
            _check_experiment(self)

    @property
    def methods(self) -> list[Method]:
        return [METHODS[name] for name in self.config.methods]

    @property
    def annotated(self) -> dict[SplitName, Sequence[Example]]:
        """The rows that the teacher is asked about, by split."""
        return {name: self.splits.named(name) for name in self.config.teacher.annotate}

    @property
    def annotated_train(self) -> Sequence[Example]:
        """The train rows, if the teacher is asked about them; else none."""
        return self.annotated.get("train", ())

    def to_annotate(self) -> Iterator[Example]:
        """The rows that the teacher is asked about, one after the other."""
        return (example for rows in self.annotated.values() for example in rows)

    @property
    def first_row(self) -> Example:
        """The row whose prompt is shown: the first that the teacher is asked about."""
        return next(self.to_annotate(), self.splits.train[0])

    @cached_property
    def other_teachers(self) -> dict[str, Self]:
        """For each teacher of the study beside that of the ``teacher`` section, by its name: the
        same experiment with this teacher, and a run folder for its answers."""
        return {name: self._of_teacher(name) for name in self.config.teachers if name}

    def of_teacher(self, name: str) -> Self:
        """The same experiment with one of the study's teachers, by its name in the study.

        Raises:
            ConfigError: if there is none of that name.
        """
        if name == self.config.teacher_name:
            return self
        if name not in self.other_teachers:
            names = [self.config.teacher_name, *self.other_teachers]
            raise ConfigError(f"{self.file}: study.annotations: {unknown('teacher', name, names)}")
        return self.other_teachers[name]

    @property
    def teacher_option(self) -> str:
        """The option by which a command is about this teacher; "" for the ``teacher`` section's."""
        _, _, name = self.teacher_key.partition("study.annotations.")
        return f" --teacher {name}" if name else ""

    def _of_teacher(self, name: str) -> Self:
        teacher = self.config.teachers[name]
        config = self.config.model_copy(
            update={
                "teacher": teacher,
                "methods": [method.name for method in self.methods if serves(teacher, method)],
                "study": self.config.study.model_copy(update={"annotations": {}}),
            }
        )
        signed = f"{self.signature} {teacher.model_dump_json()}".encode(errors="replace")
        signature = hashlib.sha256(signed).hexdigest() if self.signature else ""
        folder = RunFolder(self.folder.annotations / name)
        key = f"study.annotations.{name}"
        return replace(
            self,
            config=config,
            folder=folder,
            signature=signature,
            is_checked=True,
            teacher_key=key,
        )

    def in_memory(self) -> Self:
        """The same experiment with its rows in memory, so that each is read from disk once."""
        splits = Splits(*(tuple(self.splits.named(name)) for name in SPLITS))
        return replace(self, splits=splits, is_checked=True)

    def student_model(self, name: str) -> str:
        """The folder or name on the hub of a student's model, by the student's name in the study.

        Raises:
            ConfigError: if it is a path that does not exist.
        """
        model = self.config.students[name].model
        key = f"study.students.{name}" if name else "student"
        return model if model == SCRATCH else self.locate(f"{key}.model", model)

    def locate(self, key: str, name: str) -> str:
        """A model's folder or GGUF file, if it is beside the experiment file; else its name.

        Raises:
            ConfigError: if it is a path that does not exist.
        """
        path = self.file.parent / Path(name).expanduser()
        if path.is_dir() or is_gguf_file(path):
            return str(path)
        is_gguf = path.suffix.lower() == GGUF
        # None of these can be a name on the hub.
        if is_gguf or name.startswith((".", "/", "~")) or name.count("/") > 1:
            kind = "file" if is_gguf else "folder"
            near = suggest(path.name, list_models(path.parent)) or "; check the path"
            raise ConfigError(
                f"{self.file}: {key}: {name!r} is not a {kind}{near} (it is relative to the "
                "experiment)"
            )
        return name

    def resolved(self) -> str:
        """The settings with all defaults filled in, as YAML."""
        settings = self.config.model_dump(mode="json")
        return str(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))

    def write_resolved(self) -> None:
        """Keep the resolved settings in the run folder."""
        place = self.folder.path / RESOLVED
        # One made in Python has no file.
        if place.exists() and self.file.exists() and place.samefile(self.file):
            return
        publish_text(place, RESOLVED_HEADING.format(self.file.name) + self.resolved())


def serves(teacher: TeacherConfig, method: Method) -> bool:
    """Whether a further teacher of a study serves a method: the rationales of one that was shown
    the gold labels serve methods that learn gold labels."""
    shows_gold = teacher.strategy == "explain-label"
    return method.needs_teacher and not (shows_gold and method.labels == "teacher")


def open_experiment(path: Path | str, base_url: str | None = None) -> Experiment:
    """Read an experiment file and everything it names.

    Rows that were checked before are not checked again, as long as nothing that they depend on
    has changed.

    Args:
        base_url: An address of the teacher's endpoint, to use in place of those in the file.
            Answers are not keyed by it.

    Raises:
        ConfigError: if a setting is invalid, or a method cannot be trained on these rows.
        DataError: if rows are missing, broken, duplicated, or shared between train and test.
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
    folder.check_own(str(file))
    sources = _find_sources(config.data, file.parent)
    names = {name: str(sources.get(name, "")) for name in SPLITS}
    signature = _sign(config, task, sources.values())
    # An earlier command that found the rows valid kept which of them are set aside.
    index = read_arrays(folder.call_index, signature) if signature else None
    known = None if index is None else index.get(ASIDE)
    splits, aside = _open_splits(config.data, sources, task, known)
    is_known = known is not None
    experiment = Experiment(config, task, splits, folder, file, names, signature, aside, is_known)
    if signature and not is_known and folder.path.is_dir():
        cache_arrays(folder.call_index, signature, {ASIDE: aside})
    return experiment


def _sign(config: ExperimentConfig, task: Task, sources: Iterable[Source]) -> str:
    """``Experiment.signature``; "" if a source is not a local file."""
    digest = hashlib.sha256(f"{config.model_dump_json()}\n{task}\n".encode(errors="replace"))
    for source in sources:
        if isinstance(source, HubSplit) or not source.is_file():
            return ""
        with source.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _find_sources(data: DataConfig, base: Path) -> dict[SplitName, Source]:
    """Where the rows of each split are. A share of train set aside is where train is."""
    validation = data.train if isinstance(data.validation, float) else data.validation
    named = {"train": data.train, "validation": validation, "test": data.test}
    return {
        name: HubSplit(at.hub, at.split, at.name) if isinstance(at, HubConfig) else base / at
        for name, at in named.items()
        if at is not None
    }


def _open_splits(
    data: DataConfig, sources: Mapping[SplitName, Source], task: Task, aside: np.ndarray | None
) -> tuple[Splits, np.ndarray]:
    """The rows of each split, and which of the train file are set aside: ``aside`` if given."""
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


def _check_experiment(experiment: Experiment) -> None:
    """Check rows and settings against one another; raises what ``Experiment`` raises."""
    check_splits(experiment.splits, experiment.sources)
    _check_test_gold(experiment)
    _check_teacher(experiment)
    has_gold = _any_gold(experiment.splits.train)
    for method in experiment.methods:
        _check_method(experiment, method, has_gold=has_gold)
    for other in experiment.other_teachers.values():
        if not other.methods:
            raise ConfigError(
                f"{other.file}: {other.teacher_key}: no method learns from it; remove it, or add "
                "one to 'methods', such as 'step-by-step-gold'"
            )
        _check_teacher(other)
        for method in other.methods:
            _check_method(other, method, has_gold=has_gold)
    annotates = "validation" in experiment.config.teacher.annotate
    if not annotates and not _any_gold(experiment.splits.validation):
        raise ConfigError(
            f"{experiment.file}: no validation row has a gold label to choose a checkpoint by, and "
            "teacher.annotate leaves out 'validation'"
            + (
                _suggest_gold(experiment, "validation")
                or "; add it there, or give rows their gold label"
            )
        )


def _check_test_gold(experiment: Experiment) -> None:
    gold_field = experiment.task.row_format.gold
    for example in experiment.splits.test:
        if example.gold is None:
            named = f"field {gold_field!r}" if gold_field else "the task names no 'gold' field"
            raise DataError(
                f"{experiment.sources['test']}: test row {example.id!r} has no gold label "
                f"({named}); a score needs one on every test row"
                + (_suggest_gold(experiment, "test") or ", so write it there")
            )


def _suggest_gold(experiment: Experiment, split: SplitName) -> str:
    """The field of a split's first row that the task's ``gold`` may have meant."""
    source, row_format = Path(experiment.sources[split]), experiment.task.row_format
    if row_format.gold is None or not source.is_file():
        return ""
    names = {name for row, _ in islice(read_rows(source), 1) for name in row}
    return suggest(row_format.gold, names - {row_format.id})


def _check_teacher(experiment: Experiment) -> None:
    file, teacher, key = experiment.file, experiment.config.teacher, experiment.teacher_key
    if teacher.exemplars.draw != "fixed" and not experiment.task.exemplars:
        raise ConfigError(
            f"{file}: {key}.exemplars draws from the task's exemplars, and there are none; "
            "write some, or leave it out"
        )
    explains = teacher.explain_wrong or teacher.strategy == "explain-label"
    if experiment.config.training.wrong_rationales == "explain" and not explains:
        raise ConfigError(
            f"{file}: training.wrong_rationales is 'explain', and the teacher is not asked for "
            f"explanations; set {key}.explain_wrong to true"
        )


def _check_method(experiment: Experiment, method: Method, *, has_gold: bool) -> None:
    annotated, where = set(experiment.config.teacher.annotate), f"{experiment.file}: method"
    key = f"{experiment.teacher_key}.annotate"
    if method.labels == "gold" and not has_gold:
        raise ConfigError(
            f"{where} {method.name!r} learns gold labels, and no train row has one"
            + (
                _suggest_gold(experiment, "train")
                or "; give rows their gold label, or take it out of 'methods'"
            )
        )
    if method.needs_teacher and "train" not in annotated:
        raise ConfigError(
            f"{where} {method.name!r} learns from the teacher, and {key} leaves out 'train'; add "
            "it there"
        )
    if method.asks_teacher and not {"validation", "test"} <= annotated:
        raise ConfigError(
            f"{where} {method.name!r} reads the teacher's rationale with every input, and "
            f"{key} leaves out 'validation' or 'test'; add them"
        )
    if method.control and method.control.by_label and not experiment.task.answer.labels:
        raise ConfigError(
            f"{where} {method.name!r} takes the rationales of rows with the same label, and the "
            "task has no fixed labels; use 'shuffled-rationales'"
        )


def _any_gold(rows: Iterable[Example]) -> bool:
    return any(example.gold is not None for example in rows)
