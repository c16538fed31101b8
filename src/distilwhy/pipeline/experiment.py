"""An experiment file, opened: its settings, its task, its rows and its run folder."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    check_config,
    read_config,
)
from distilwhy.core.method import METHODS, Method
from distilwhy.core.splits import SPLITS, SplitName, Splits, choose_aside
from distilwhy.core.task import Example, Task
from distilwhy.errors import ConfigError, DataError
from distilwhy.pipeline.checks import check_experiment
from distilwhy.pipeline.task import build_task, read_task
from distilwhy.store.examples_on_disk import open_examples, pick
from distilwhy.store.files import publish_arrays, publish_text, read_arrays
from distilwhy.store.rows import HubSplit, Source
from distilwhy.store.run_folder import ASIDE, RunFolder
from distilwhy.students.settings import SCRATCH


@dataclass(frozen=True)
class Experiment:
    """A task, its rows, the settings and the run folder. A plain value, checked when it is made.

    Attributes:
        config: The teacher, the student, the training, the methods and the seeds.
        task: What is asked.
        splits: The rows.
        folder: Where results are kept.
        file: The file that it was read from. Paths in ``config`` are relative to it.
        sources: Where the rows of each split come from, for messages.
        signature: A digest of everything that the rows and their prompts depend on; "" if it
            cannot be computed.
        aside: Which rows of the train file are set aside for validation, one boolean each; empty
            if none are.
        is_checked: Whether rows with this signature were found valid before.

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

    def __post_init__(self) -> None:
        if not self.is_checked:
            check_experiment(self)

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

    def in_memory(self) -> Self:
        """The same experiment with its rows in memory, so that each is read from disk once."""
        splits = Splits(*(tuple(self.splits.named(name)) for name in SPLITS))
        return replace(self, splits=splits, is_checked=True)

    def student_model(self, name: str) -> str:
        """The folder, or the name on the hub, of a student's model.

        Args:
            name: The student's name in the study; "" is the ``student`` section.

        Raises:
            ConfigError: if it is a path that does not exist.
        """
        model = self.config.students[name].model
        key = f"study.students.{name}" if name else "student"
        return model if model == SCRATCH else self.locate(f"{key}.model", model)

    def locate(self, key: str, name: str) -> str:
        """A model's folder, if there is one beside the experiment file; else its name on the hub.

        Args:
            key: The setting that names it, for the message.

        Raises:
            ConfigError: if it is a path that does not exist.
        """
        folder = self.file.parent / Path(name).expanduser()
        if folder.is_dir():
            return str(folder)
        if _is_path(name):
            raise ConfigError(
                f"{self.file}: {key}: {name!r} is not a folder; check the path (it is relative "
                "to the experiment)"
            )
        return name

    def resolved(self) -> str:
        """The settings with all defaults filled in, as YAML."""
        settings = self.config.model_dump(mode="json")
        return str(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))

    def write_resolved(self) -> None:
        """Keep the resolved settings in the run folder."""
        heading = f"# {self.file.name} as it was read, with every default\n"
        publish_text(self.folder.path / "experiment.yaml", heading + self.resolved())


def _is_path(name: str) -> bool:
    """Whether a model's name can only be a path, and not a name on the hub."""
    return name.startswith((".", "/", "~")) or name.count("/") > 1


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
        config = _replace_address(config, base_url, file)
    task = _open_task(config, file)
    folder = RunFolder(file.parent / (config.out or f"runs/{file.stem}"))
    sources = _find_sources(config.data, file.parent)
    names = {name: str(sources.get(name, "")) for name in SPLITS}
    signature = _sign(config, task, sources.values())
    known = _read_aside(folder, signature)
    splits, aside = _open_splits(config.data, sources, task, known)
    is_checked = known is not None
    experiment = Experiment(config, task, splits, folder, file, names, signature, aside, is_checked)
    if signature and not is_checked and folder.path.is_dir():
        publish_arrays(folder.call_index, signature, {ASIDE: aside})
    return experiment


def _replace_address(config: ExperimentConfig, base_url: str, file: Path) -> ExperimentConfig:
    changed = {**config.teacher.model_dump(exclude={"replicas"}), "base_url": base_url}
    teacher = check_config(changed, type(config.teacher), f"{file}: teacher")
    return config.model_copy(update={"teacher": teacher})


def _open_task(config: ExperimentConfig, file: Path) -> Task:
    if isinstance(config.task, str):
        return read_task(file.parent / config.task)
    return build_task(config.task, file, "task.")


def _sign(config: ExperimentConfig, task: Task, sources: Iterable[Source]) -> str:
    """A digest of everything that the rows and their prompts depend on; "" if a source is not a
    local file."""
    digest = hashlib.sha256(f"{config.model_dump_json()}\n{task}\n".encode(errors="replace"))
    for source in sources:
        if isinstance(source, HubSplit) or not source.is_file():
            return ""
        with source.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _read_aside(folder: RunFolder, signature: str) -> np.ndarray | None:
    """Which rows are set aside, from the index of calls that an earlier command kept; None if
    there is none for this signature."""
    index = read_arrays(folder.call_index, signature) if signature else None
    return None if index is None else index.get(ASIDE)


def _find_sources(data: DataConfig, base: Path) -> dict[SplitName, Source]:
    """Where the rows of each split are. A share of train set aside is where train is."""
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
