"""Say what an experiment will do, having checked all that can be checked without doing it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from distilwhy.config import HttpTeacherConfig, Settings
from distilwhy.core.prompt import Prompt, render_prompt
from distilwhy.core.splits import SPLITS
from distilwhy.errors import ConfigError
from distilwhy.flows.experiment import Experiment
from distilwhy.flows.train import missing_students
from distilwhy.store.ledger import open_ledger

CHARACTERS_A_TOKEN = 4


@dataclass(frozen=True)
class Plan:
    """What ``run`` would do now.

    Attributes:
        rows: The rows of each split.
        without_gold: Of those, the ones that have no gold label.
        prompt: One whole prompt, as the teacher would see it.
        prompt_id: The row that it asks about.
        calls: The calls of an annotation from nothing; explanations are among them as far as
            the answers tell yet which rows need one.
        answered: Those that the ledger holds.
        prompt_tokens: What the missing calls send, estimated at four characters a token.
        students: How many students the experiment has.
        to_train: Those that would be trained, by name.
        warnings: What will stand in the way, in words.
    """

    rows: dict[str, int]
    without_gold: dict[str, int]
    prompt: str
    prompt_id: str
    calls: int
    answered: int
    prompt_tokens: int
    students: int
    to_train: list[str]
    warnings: list[str]


def plan(experiment: Experiment) -> Plan:
    """Check an experiment and say what it will do; ask and train nothing.

    Raises:
        ConfigError: if the student's folder is missing.
    """
    _check_student(experiment.config, experiment.file)
    calls = [*experiment.inquiry.answer_calls(), *experiment.inquiry.explanation_calls()]
    prompts = {call.key: call.prompt for call in calls}
    answered = _answered(experiment, list(prompts))
    missing = [prompt for key, prompt in prompts.items() if key not in answered]
    first = experiment.to_annotate[0] if experiment.to_annotate else experiment.splits.train[0]
    rows = {name: experiment.splits.named(name) for name in SPLITS}
    return Plan(
        rows={name: len(found) for name, found in rows.items()},
        without_gold={n: sum(e.gold is None for e in found) for n, found in rows.items()},
        prompt=render_prompt(experiment.inquiry.head, first).as_text(),
        prompt_id=first.id,
        calls=len(prompts),
        answered=len(answered),
        prompt_tokens=_tokens(experiment, missing),
        students=len(experiment.config.methods) * len(experiment.config.seeds),
        to_train=[cell.name for cell in missing_students(experiment)],
        warnings=_warnings(experiment),
    )


def _tokens(experiment: Experiment, prompts: Sequence[Prompt]) -> int:
    if not isinstance(experiment.config.teacher, HttpTeacherConfig):
        return 0
    return sum(len(prompt.as_text()) for prompt in prompts) // CHARACTERS_A_TOKEN


def _answered(experiment: Experiment, keys: list[bytes]) -> set[bytes]:
    if not experiment.folder.ledger.is_file():
        return set()
    with open_ledger(experiment.folder.ledger) as ledger:
        return ledger.answered(keys)


def _check_student(config: Settings, file: Path) -> None:
    model = config.student.model
    is_path = model.startswith((".", "/", "~")) or model.count("/") > 1
    if is_path and not Path(model).expanduser().is_dir():
        raise ConfigError(f"{file}: student.model: {model!r} is no folder; check the path")


def _warnings(experiment: Experiment) -> list[str]:
    config, warnings = experiment.config, []
    teacher = config.teacher
    if isinstance(teacher, HttpTeacherConfig):
        name = teacher.api_key_env
        if name and not os.environ.get(name):
            warnings.append(f"${name} is not set: export your key under that name to annotate")
    if teacher.explain_wrong and not _has_gold_to_explain(experiment):
        warnings.append(
            "no annotated train row has a gold label: teacher.explain_wrong does nothing"
        )
    if not experiment.splits.test:
        warnings.append("there is no test split: students will be trained but not scored")
    if not experiment.task.exemplars:
        warnings.append("there are no exemplars: a teacher reasons better when shown how")
    return warnings


def _has_gold_to_explain(experiment: Experiment) -> bool:
    annotated = "train" in experiment.config.teacher.annotate
    return annotated and any(e.gold is not None for e in experiment.splits.train)
