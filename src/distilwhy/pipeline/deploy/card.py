"""The model card of a student, from what its run folder holds."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from distilwhy.core.method import METHODS
from distilwhy.core.results import MethodScore, Results, StudentScore
from distilwhy.core.stats.deployment import DeploymentScore
from distilwhy.core.student_id import StudentId, extent
from distilwhy.core.wording import count, interval, percent, train_rows
from distilwhy.errors import RunError
from distilwhy.pipeline.deploy.export.report import FILE as EXPORT
from distilwhy.report.summary import escape
from distilwhy.report.trust import calibration_words
from distilwhy.store.files import publish_text, read_json
from distilwhy.store.results import read_results
from distilwhy.store.run_folder import SUMMARY, RunFolder
from distilwhy.students.settings import SCRATCH
from distilwhy.students.student import README, Student

TASKS = {"encoder": "text-classification", "causal": "text-generation"}
_HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_PIPELINE = """\
With `transformers.pipeline`, run in this folder:

```python
from transformers import pipeline

classify = pipeline("text-classification", model=".")
print(classify({prefix}text, truncation=True, max_length={longest}))
```
"""


@dataclass(frozen=True)
class _Facts:
    """A student and what its study found out about it.

    Attributes:
        settings: The resolved experiment file.
        deployed: None for a student that is not its method's first seed, or has no confidences.
    """

    student: Student
    results: Results
    method: MethodScore
    own: StudentScore
    settings: dict[str, Any]
    deployed: DeploymentScore | None


def write_card(folder: Path, license_id: str | None = None) -> Path:
    """Write the model card of a student that was evaluated, and return its path.

    It replaces the ``README.md`` in the student's folder, and has front matter for the hub. An
    export keeps the card that was written with it, and only gets the licence.

    Args:
        license_id: The licence of the student, as the hub calls it, such as ``mit``.

    Raises:
        StudentError: if the folder holds no student.
        RunError: if it is in no run folder whose results are about it.
    """
    place = folder / README
    if (folder / EXPORT).exists():
        if license_id:
            card = ModelCard.load(place)
            card.data.license = license_id
            publish_text(place, str(card))
        return place
    publish_text(place, render_card(folder, license_id))
    return place


def render_card(
    folder: Path,
    license_id: str | None = None,
    *,
    exported: Student | None = None,
    section: str = "",
) -> str:
    """The model card of a student that was evaluated.

    Args:
        exported: The student as it was exported; None for the student itself.
        section: What is known of the export.

    Raises:
        StudentError, RunError: as ``write_card``.
    """
    facts = _read_facts(folder)
    if exported is not None:
        facts = replace(facts, student=exported)
    parts = [
        f"---\n{_front_matter(facts, license_id).to_yaml()}\n---",
        facts.student.readme.rstrip(),
        *_call_pipeline(facts.student),
        *filter(None, [section]),
        "## What it was trained on",
        _list(_training(facts)),
        "## Scores",
        _list(_scores(facts)),
        "## When to trust it",
        "\n\n".join(map(escape, _trust(facts))),
        "## Limits",
        _list(_limits(facts)),
        "## Licences and terms",
        _list(_terms(facts, license_id)),
    ]
    return "\n\n".join(parts) + "\n"


def _read_facts(folder: Path) -> _Facts:
    student = Student.load(folder, "cpu")
    run = RunFolder(folder.resolve().parent.parent)
    results = read_results(run)
    kept = read_json(folder / SUMMARY) or {}
    names = {name: kept.get(name, "") for name in ("method", "seed", "student", "annotations")}
    for method in results.methods:
        student_id = StudentId(**names, rows=method.rows)
        is_it = (method.method, method.student) == (student_id.arm, student_id.student)
        if not is_it or student_id.name != folder.resolve().name:
            continue
        own = next((one for one in method.students if one.seed == student_id.seed), None)
        if own is not None:
            settings = yaml.safe_load(results.provenance.settings)
            return _Facts(student, results, method, own, settings, _deployed(results, student_id))
    raise RunError(f"{folder}: the results in {run.path} are not about it; run 'evaluate' first")


def _deployed(results: Results, student_id: StudentId) -> DeploymentScore | None:
    """How far it can be trusted, if the results say so: those of the largest of its trainings."""
    if student_id.student != results.students[0]:
        return None
    own = (student_id.arm, student_id.seed)
    sizes = [found.rows for found in results.methods if found.method == student_id.arm]
    is_largest = max(sizes, key=extent) == student_id.rows
    found = (one for one in results.deployments if (one.method, one.seed) == own)
    return next(found, None) if is_largest else None


def _front_matter(facts: _Facts, license_id: str | None) -> ModelCardData:
    network = facts.student.network
    model = _section(facts)["model"]
    return ModelCardData(
        license=license_id,
        library_name=network.runtime or "transformers",
        pipeline_tag=TASKS.get(network.family),
        base_model=model if _HUB_NAME.fullmatch(model) else None,
        tags=["distilwhy", "distillation", facts.student.spec.method.name],
        model_name=f"{facts.results.name} {facts.method.method}",
        eval_results=[
            EvalResult(
                task_type=TASKS.get(network.family, "text2text-generation"),
                dataset_type="private",
                dataset_name=f"{facts.results.name}, test",
                dataset_split="test",
                metric_type="accuracy",
                metric_value=round(facts.own.score.accuracy, 4),
            )
        ],
    )


def _call_pipeline(student: Student) -> list[str]:
    """How ``transformers.pipeline`` runs the student, where it can."""
    spec, network = student.spec, student.network
    is_plain = network.runtime is None and network.plain_code(".") is not None
    if network.family != "encoder" or not is_plain:
        return []
    prefix = spec.source("", "label")
    longest = spec.config.max_input_tokens
    return [_PIPELINE.format(prefix=f'"{prefix}" + ' if prefix else "", longest=longest).rstrip()]


def _training(facts: _Facts) -> Iterator[str]:
    rows, provenance = facts.results.provenance.rows, facts.results.provenance
    trained = train_rows(facts.method.rows, rows.get("train"))
    yield f"Data: {escape(_describe_data(facts.settings['data']))}; {trained} train rows"
    for what, value in provenance.hashes.items():
        yield f"SHA-256 of {what}: `{value}`"
    yield f"Method: `{facts.method.method}`, seed {facts.own.seed}, learning rate {facts.own.lr:g}"
    model = _section(facts)["model"]
    yield f"Model: {escape(model)}, {count(facts.own.parameters)} parameters"
    if METHODS[facts.student.spec.method.name].needs_teacher:
        teacher = facts.settings["teacher"]
        name = escape(str(teacher.get("model") or "recorded answers"))
        yield f"Teacher: {name} ({teacher['kind']})"
        prompt = sha256(provenance.prompt.encode("utf-8", "replace")).hexdigest()
        yield f"SHA-256 of the prompt of the first row: `{prompt}`"
    versions = ", ".join(f"{name} {version}" for name, version in provenance.versions.items())
    yield f"Versions: {escape(versions)}"


def _scores(facts: _Facts) -> Iterator[str]:
    score, tested = facts.own.score, facts.results.provenance.rows.get("test", 0)
    yield (
        f"Accuracy on {count(tested)} test rows: {percent(score.accuracy)} "
        f"(95 % CI {interval(score.low, score.high)})"
    )
    mean = facts.method.score
    if mean.seeds > 1:
        yield (
            f"Over {mean.seeds} seeds of the same method: {percent(mean.accuracy)} "
            f"(95 % CI {interval(mean.low, mean.high)})"
        )
    teacher = facts.results.teacher.get("test")
    if teacher and teacher.score:
        ends = interval(teacher.score.low, teacher.score.high)
        yield f"The teacher: {percent(teacher.score.accuracy)} (95 % CI {ends})"
    yield f"The study: {escape(facts.results.headline)}"


def _trust(facts: _Facts) -> list[str]:
    if facts.deployed is not None:
        return [
            part for part in (facts.deployed.sentence, calibration_words(facts.deployed)) if part
        ]
    if facts.student.deployment is not None:
        rows = count(facts.student.deployment.calibration.rows)
        return [f"Its confidences are calibrated on {rows} validation rows; see deploy.json."]
    return ["Its confidences are not calibrated; 'evaluate' does that."]


def _limits(facts: _Facts) -> Iterator[str]:
    spec = facts.student.spec
    if spec.task.answer.labels:
        yield f"It answers with one of {len(spec.task.answer.labels)} labels, whatever it is given."
    yield f"Inputs are cut to {count(spec.config.max_input_tokens)} tokens."
    yield "Its scores and confidences hold for inputs like the test rows, not for others."
    if facts.own.teacher_calls:
        yield "It needs the teacher's rationale with every input."
    if facts.method.score.seeds == 1:
        yield "It is one training; another seed may do better or worse."


def _terms(facts: _Facts, license_id: str | None) -> Iterator[str]:
    yield f"This student: {license_id or 'no licence is named yet'}"
    model = _section(facts)["model"]
    if model != SCRATCH:
        yield f"It is derived from {escape(model)}, whose licence applies to it too."
    if METHODS[facts.student.spec.method.name].needs_teacher:
        yield (
            "It learnt from the teacher's answers. Before you publish or sell it, check that the "
            "terms of the teacher's provider allow training other models on its output."
        )
    yield "The rows that it was trained on may have a licence of their own, and hold personal data."


def _section(facts: _Facts) -> dict[str, Any]:
    """The settings of its student section."""
    named = facts.settings.get("study", {}).get("students", {})
    section: dict[str, Any] = named.get(facts.method.student) or facts.settings["student"]
    return section


def _describe_data(data: dict[str, Any]) -> str:
    """The files or the hub dataset of the train rows, without the folders."""
    train = data["train"]
    return Path(train).name if isinstance(train, str) else f"{train['hub']}, split {train['split']}"


def _list(lines: Iterator[str] | Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
