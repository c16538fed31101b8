"""Score the students on the test rows, beside the teacher. Nothing before this reads them."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

from distilwhy.core.metrics import Score, score
from distilwhy.core.results import (
    Prediction,
    Tally,
    Versus,
    compare_with_baselines,
    judge,
    tally,
)
from distilwhy.errors import ConfigError, RunError
from distilwhy.flows.experiment import Experiment
from distilwhy.store.run import publish_json, read_json


@dataclass(frozen=True)
class StudentScore:
    """One student on the test rows."""

    seed: int
    score: Score
    best_step: int
    validation_accuracy: float
    parameters: int


@dataclass(frozen=True)
class MethodScore:
    """One method: over all its seeds, and each of them."""

    method: str
    score: Score
    students: list[StudentScore]


@dataclass(frozen=True)
class Scores:
    """What an experiment found; the content of ``scores.json``."""

    teacher: dict[str, Tally]
    methods: list[MethodScore]
    comparisons: list[Versus]

    def as_json(self) -> dict[str, object]:
        """The same as plain values, with a verdict beside each comparison."""
        value = asdict(self)
        for plain, versus in zip(value["comparisons"], self.comparisons, strict=True):
            plain["verdict"] = versus.comparison.verdict
        return value


def tally_annotations(experiment: Experiment) -> dict[str, Tally]:
    """The annotations of each split that is annotated, counted and scored."""
    annotations = experiment.read_annotations()
    return {
        name: tally(experiment.task.answer, experiment.splits.named(name), annotations)
        for name in experiment.config.teacher.annotate
        if experiment.splits.named(name)
    }


def evaluate(
    experiment: Experiment, watch: Callable[[str, int], None] = lambda method, seed: None
) -> Scores:
    """Score every trained student of the experiment, and write ``scores.json``.

    A student that stands scored is not asked again.

    Args:
        watch: Called before a student is asked, with its method and seed.

    Raises:
        ConfigError: if there are no test rows.
        RunError: if no student is trained, or another process works in the run folder.
    """
    if not experiment.splits.test:
        raise ConfigError(f"{experiment.file}: there are no test rows to score; set data.test")
    with experiment.folder.lock():
        correct: dict[str, dict[int, list[bool]]] = {}
        for method in experiment.config.methods:
            for seed in experiment.config.seeds:
                if experiment.folder.training(method, seed) is not None:
                    answers = _predictions(experiment, method, seed, watch)
                    judged = judge(experiment.task.answer, experiment.splits.test, answers)
                    correct.setdefault(method, {})[seed] = judged
        if not correct:
            raise RunError(
                f"{experiment.folder.path}: no student is trained yet; run 'train' first"
            )
        scores = Scores(
            tally_annotations(experiment),
            [_method_score(experiment, method, by_seed) for method, by_seed in correct.items()],
            compare_with_baselines(correct),
        )
        publish_json(experiment.folder.scores, scores.as_json())
    return scores


def _method_score(
    experiment: Experiment, method: str, by_seed: dict[int, list[bool]]
) -> MethodScore:
    students = []
    for seed, correct in by_seed.items():
        summary = experiment.folder.training(method, seed) or {}
        students.append(
            StudentScore(
                seed,
                score([correct]),
                summary["best_step"],
                summary["validation_accuracy"],
                summary["parameters"],
            )
        )
    return MethodScore(method, score(list(by_seed.values())), students)


def _predictions(
    experiment: Experiment, method: str, seed: int, watch: Callable[[str, int], None]
) -> dict[str, Prediction]:
    """A student's answers to the test rows: the ones kept, or asked now and kept."""
    place = experiment.folder.predictions(method, seed)
    fingerprint = _fingerprint(experiment, method, seed)
    kept = read_json(place)
    if kept is None or kept["fingerprint"] != fingerprint:
        watch(method, seed)
        kept = {"fingerprint": fingerprint, "predictions": _ask(experiment, method, seed)}
        publish_json(place, kept)
    return {row["example_id"]: Prediction(**row) for row in kept["predictions"]}


def _ask(experiment: Experiment, method: str, seed: int) -> list[dict[str, object]]:
    from distilwhy.students.student import Student

    student = Student.load(experiment.folder.student(method, seed))
    return [asdict(prediction) for prediction in student.predict(experiment.splits.test)]


def _fingerprint(experiment: Experiment, method: str, seed: int) -> str:
    trained = experiment.folder.training(method, seed) or {}
    decides = [
        trained["fingerprint"],
        [asdict(example) for example in experiment.splits.test],
        asdict(experiment.task.answer),
    ]
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
