"""A whole experiment file.

Everything a user may type stands here and beside, with its default. Paths are relative to the
file that they stand in.
"""

from typing import Annotated, Any

from pydantic import Field, field_validator

from distilwhy.config.strict import EachOnce, Strict
from distilwhy.config.student import StudentConfig, TrainingConfig
from distilwhy.config.teacher import TeacherConfig
from distilwhy.config.words import unknown
from distilwhy.core.answer import Kind
from distilwhy.core.method import METHODS


class AnswerConfig(Strict):
    """What an answer may be. A choice needs ``labels`` or ``options``, other kinds neither."""

    kind: Kind
    labels: list[str] = []
    options: str | None = None


class TaskConfig(Strict):
    """A task as written in YAML."""

    instruction: str = ""
    input: str
    gold: str | None = None
    id: str = "id"
    answer: AnswerConfig
    exemplars: list[dict[str, Any]] | str = []


class HubConfig(Strict):
    """A split of a dataset on the Hugging Face hub."""

    hub: str
    split: str
    name: str | None = None


class DataConfig(Strict):
    """Where the rows are. A number for ``validation`` sets that share of train aside."""

    train: str | HubConfig
    validation: float | str | HubConfig = 0.1
    test: str | HubConfig | None = None

    @field_validator("validation")
    @classmethod
    def _share(cls, value: object) -> object:
        if isinstance(value, float) and not 0 < value < 1:
            raise ValueError("a share of train must be between 0 and 1")
        return value


class StudyConfig(Strict):
    """What ``compare`` varies beside methods and seeds.

    A float in ``train_rows`` is a share of the train rows, a whole number a count of them.
    """

    train_rows: Annotated[list[float | int], EachOnce] = Field(default=[1.0], min_length=1)

    @field_validator("train_rows")
    @classmethod
    def _sizes(cls, value: list[float | int]) -> list[float | int]:
        for size in value:
            if not (0 < size <= 1 if isinstance(size, float) else size >= 2):
                raise ValueError(
                    f"{size!r}: must be a share above 0.0 and up to 1.0, or a count of rows from 2"
                )
        return value


class PricesConfig(Strict):
    """What is paid: for a million tokens of the teacher, for an hour of the student's machine."""

    currency: str = "USD"
    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached_input: float | None = Field(default=None, ge=0)
    batch_discount: float = Field(default=0.5, ge=0, le=1)
    machine_hour: float = Field(default=0.0, ge=0)


class Settings(Strict):
    """How an experiment is done: all but its task and its rows."""

    teacher: TeacherConfig
    student: StudentConfig = StudentConfig()
    training: TrainingConfig = TrainingConfig()
    study: StudyConfig = StudyConfig()
    prices: PricesConfig | None = None
    methods: Annotated[list[str], EachOnce] = Field(
        default=["finetune", "label-distill", "step-by-step"], min_length=1
    )
    seeds: Annotated[list[int], EachOnce] = Field(default=[0], min_length=1)
    out: str | None = None

    @field_validator("methods")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        for name in value:
            if name not in METHODS:
                raise ValueError(unknown("method", name, list(METHODS)))
        return value


class ExperimentConfig(Settings):
    """One experiment, as written in YAML."""

    task: TaskConfig | str
    data: DataConfig
