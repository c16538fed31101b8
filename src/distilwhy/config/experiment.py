"""The experiment file: its sections, with all defaults. Paths are relative to the file."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from distilwhy.config.strict import EachOnce, Strict, overlay
from distilwhy.config.student import StudentConfig, TrainingConfig
from distilwhy.config.teacher import TeacherConfig
from distilwhy.core.cost import Prices
from distilwhy.core.method import METHODS
from distilwhy.core.parsing.answer import Kind
from distilwhy.core.student_id import MAIN
from distilwhy.core.task import CUE
from distilwhy.core.wording import unknown

# The seed of dropout packs a seed and a step into one number.
Seed = Annotated[int, Field(ge=0, lt=2**31)]
_NAME = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")


class AnswerConfig(Strict):
    """The answer of a task. A choice needs ``labels`` or ``options``; other kinds take neither."""

    kind: Kind
    labels: list[str] = []
    options: str | None = None
    cue: str = CUE

    @field_validator("cue")
    @classmethod
    def _with_answer(cls, value: str) -> str:
        if value.count("{answer}") != 1 or not value.partition("{answer}")[0].strip():
            raise ValueError("must contain {answer} once, after some words, such as " + repr(CUE))
        return value


class TaskConfig(Strict):
    """A task, as written in YAML."""

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
    """Where the rows are. A number for ``validation`` is the share of train to set aside."""

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
    """What ``compare`` varies besides methods and seeds.

    A float in ``train_rows`` is a share, an integer a number of rows. A file gives only what
    differs between a student and the ``student`` section; here each is complete. Each of
    ``annotations`` is a teacher of its own; one that is equal to the ``teacher`` section names it.
    """

    train_rows: Annotated[list[float | int], EachOnce] = Field(default=[1.0], min_length=1)
    students: dict[str, StudentConfig] = {}
    annotations: dict[str, TeacherConfig] = {}

    @field_validator("train_rows")
    @classmethod
    def _sizes(cls, value: list[float | int]) -> list[float | int]:
        for size in value:
            if not (0 < size <= 1 if isinstance(size, float) else size >= 2):
                raise ValueError(
                    f"{size!r}: must be a share above 0.0 and at most 1.0, or a number of rows, "
                    "2 or more"
                )
        return value

    @field_validator("students", "annotations", mode="before")
    @classmethod
    def _names(cls, value: object, info: ValidationInfo) -> object:
        for name in value if isinstance(value, Mapping) else ():
            if name == MAIN:
                own = "student" if info.field_name == "students" else "teacher"
                raise ValueError(
                    f"{MAIN!r} names the {own} of the {own!r} section; choose another name"
                )
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r} cannot name a folder; use lower-case letters and digits, separated "
                    "by '-', '_' or '.', such as 'minilm'"
                )
            clashes = [method for method in METHODS if f"{name}-{method}" in METHODS]
            if clashes:
                raise ValueError(
                    f"{name!r} with {clashes[0]!r} is the name of another method; choose another "
                    "name"
                )
        return value


class PricesConfig(Strict):
    """Prices per million tokens of the teacher, and per hour of the student's machine."""

    currency: str = "USD"
    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached_input: float | None = Field(default=None, ge=0)
    batch_discount: float = Field(default=0.5, ge=0, le=1)
    machine_hour: float = Field(default=0.0, ge=0)


class DeployConfig(Strict):
    """How students are deployed.

    ``target`` is the least agreement of the rows that a student answers alone in a cascade.
    """

    target: float | None = Field(default=0.95, ge=0.5, lt=1)


class Settings(Strict):
    """All of an experiment except its task and its rows."""

    teacher: TeacherConfig
    student: StudentConfig = StudentConfig()
    training: TrainingConfig = TrainingConfig()
    study: StudyConfig = StudyConfig()
    prices: PricesConfig | None = Field(default=None, validate_default=True)
    deploy: DeployConfig = DeployConfig()
    methods: Annotated[list[str], EachOnce] = Field(
        default=["finetune", "label-distill", "step-by-step"], min_length=1
    )
    seeds: Annotated[list[Seed], EachOnce] = Field(default=[0], min_length=1)
    out: str | None = None

    @field_validator("methods")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        for name in value:
            if name not in METHODS:
                raise ValueError(unknown("method", name, list(METHODS)))
        return value

    @field_validator("study", mode="before")
    @classmethod
    def _whole(cls, value: object, info: ValidationInfo) -> object:
        """Complete each named student from the ``student`` section, and an empty teacher from the
        ``teacher`` section."""
        if not isinstance(value, Mapping):
            return value
        whole = dict(value)
        if "student" in info.data and isinstance(named := value.get("students"), Mapping):
            base = info.data["student"].model_dump()
            whole["students"] = {n: overlay(base, differs) for n, differs in named.items()}
        if "teacher" in info.data and isinstance(named := value.get("annotations"), Mapping):
            own = info.data["teacher"].model_dump()
            whole["annotations"] = {n: own if one == {} else one for n, one in named.items()}
        return whole

    @field_validator("study")
    @classmethod
    def _no_twins(cls, value: StudyConfig, info: ValidationInfo) -> StudyConfig:
        students = {MAIN: info.data.get("student"), **value.students}
        if pair := _find_twins(students):
            other = "'student' itself" if pair[0] == MAIN else repr(pair[0])
            raise ValueError(
                f"students {pair[1]!r} is the same as {other}; change a setting or remove it"
            )
        if pair := _find_twins(value.annotations):
            raise ValueError(
                f"annotations {pair[1]!r} is the same as {pair[0]!r}; change a setting or remove it"
            )
        return value

    @field_validator("prices")
    @classmethod
    def _priced(cls, value: PricesConfig | None, info: ValidationInfo) -> PricesConfig | None:
        study = info.data.get("study")
        others = study.annotations if isinstance(study, StudyConfig) else {}
        named = {f"study.annotations.{name}": teacher for name, teacher in others.items()}
        for key, teacher in {"teacher": info.data.get("teacher"), **named}.items():
            budget = getattr(teacher, "budget", None)
            if budget and value is None:
                raise ValueError(
                    f"{key}.budget ({budget}) needs prices; write what a million tokens cost"
                )
        return value

    @property
    def students(self) -> dict[str, StudentConfig]:
        """All students of the study, by name; "" is that of the ``student`` section."""
        return {"": self.student, **self.study.students}

    @property
    def teachers(self) -> dict[str, TeacherConfig]:
        """All teachers of the study, by name; "" is that of the ``teacher`` section."""
        others = {n: one for n, one in self.study.annotations.items() if one != self.teacher}
        return {"": self.teacher, **others}

    @property
    def teacher_name(self) -> str:
        """The name of the teacher of the ``teacher`` section in the study."""
        own = (name for name, one in self.study.annotations.items() if one == self.teacher)
        return next(own, MAIN)

    @property
    def price_list(self) -> Prices | None:
        """The prices as the core takes them; None if the file has none."""
        return Prices(**self.prices.model_dump()) if self.prices else None

    @property
    def currency(self) -> str:
        """The currency of the prices; "" without prices."""
        return self.prices.currency if self.prices else ""


def _find_twins(named: Mapping[str, object]) -> tuple[str, str] | None:
    """The names of two that are the same, if any are."""
    known: dict[str, object] = {}
    for name, one in named.items():
        if (twin := next((n for n, other in known.items() if other == one), None)) is not None:
            return twin, name
        known[name] = one
    return None


class ExperimentConfig(Settings):
    """An experiment, as written in YAML."""

    task: TaskConfig | str
    data: DataConfig
