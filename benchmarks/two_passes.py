"""Compares the accuracy of one encoder pass for both targets with that of the paper's two.

python benchmarks/two_passes.py [FOLDER]

Trains ``step-by-step`` with five seeds on the shipped task, both ways. The students with one pass
are those of ``distilwhy demo``; a folder that has them is reused.
"""

import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from distilwhy.core.stats.scores import compare, score
from distilwhy.demo.run import write_experiment
from distilwhy.demo.scripted import ScriptedTeacher
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.evaluate.predictions import list_scoring_jobs, predict_all
from distilwhy.pipeline.experiment import Experiment, open_experiment
from distilwhy.pipeline.run import run

SEEDS = [0, 1, 2, 3, 4]


def write(folder: Path, name: str, seeds: Sequence[int], **training: object) -> Path:
    settings = yaml.safe_load(write_experiment(folder, "helpdesk").read_text())
    settings |= {"methods": ["step-by-step"], "seeds": [*seeds], "out": name}
    settings["training"] |= training
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(settings, sort_keys=False))
    return file


def judge_all(experiment: Experiment, seeds: Sequence[int]) -> list[list[bool]]:
    """Whether each test row is right, for every seed."""
    listed, _ = list_scoring_jobs(experiment, read_annotations(experiment))
    by_seed = {
        job.student_id.seed: job for job in listed if job.student_id.method == "step-by-step"
    }
    chosen = [by_seed[seed] for seed in seeds]
    answers = predict_all(experiment, chosen, 1, lambda done, students: None)
    return [list(answers[job.student_id].correct) for job in chosen]


def show(name: str, right: Sequence[Sequence[bool]]) -> None:
    found = score(right)
    seeds = "  ".join(f"{statistics.mean(seed):.1%}" for seed in right)
    print(f"{name:10}  {found.accuracy:6.1%}   {found.low:.1%} to {found.high:.1%}   {seeds}")


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo-run")
    right = {}
    with ScriptedTeacher() as teacher:
        for name, out, two_passes in (("one pass", "run", False), ("two passes", "two", True)):
            file = write(folder, out, SEEDS, two_passes=two_passes)
            experiment = open_experiment(file, base_url=teacher.base_url)
            run(experiment, workers=None)
            right[name] = judge_all(experiment, SEEDS)
            show(name, right[name])
    difference = compare(right["two passes"], right["one pass"])
    print(f"two passes against one: {difference.words}")


if __name__ == "__main__":
    main()
