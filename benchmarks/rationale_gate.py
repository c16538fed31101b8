"""What holding back a fresh decoder's gradient does to a pretrained encoder.

python benchmarks/rationale_gate.py EXPERIMENT... [--rows N] [--steps N] [--lr RATE] [--workers N]

Trains ``step-by-step-gold`` with three seeds on some of the train rows of each experiment, with
``training.rationale_gate`` and without. Shown is the best accuracy on the validation rows; test
rows are not read. What is trained stays in ``runs/rationale-gate`` and is used again.
"""

import argparse
import statistics
from dataclasses import replace
from pathlib import Path

from machine import name_machine, table

from distilwhy.hardware import choose_device
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import Experiment, open_experiment
from distilwhy.pipeline.train.run import train_students
from distilwhy.pipeline.train.study import list_students
from distilwhy.store.run_folder import RunFolder

METHOD, SEEDS = "step-by-step-gold", [0, 1, 2]


def variant(experiment: Experiment, gate: bool, options: argparse.Namespace) -> Experiment:
    config, name = experiment.config, "gate" if gate else "no-gate"
    training = config.training.model_copy(
        update={
            "rationale_gate": gate,
            "steps": options.steps,
            "batch_size": 16,
            "lr": options.lr,
            "evaluate_every": 50,
            "patience": None,
        }
    )
    study = config.study.model_copy(update={"train_rows": [options.rows], "annotations": {}})
    update = {"training": training, "study": study, "methods": [METHOD], "seeds": SEEDS}
    folder = RunFolder(Path("runs/rationale-gate") / experiment.file.stem / name)
    return replace(experiment, config=config.model_copy(update=update), folder=folder)


def accuracies(experiment: Experiment, workers: int) -> list[float]:
    annotate(experiment)
    said = read_annotations(experiment)
    train_students(experiment, workers=workers, study=True, annotations=said)
    trained = map(experiment.folder.trained, list_students(experiment, study=True))
    return [record.summary.validation_accuracy for record in trained]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("experiments", nargs="+", type=Path)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    print(name_machine(choose_device()))
    rows = []
    for file in options.experiments:
        for gate in (False, True):
            found = accuracies(variant(open_experiment(file), gate, options), options.workers)
            each = "  ".join(f"{one:.1%}" for one in found)
            rows.append([file.stem, str(gate).lower(), f"{statistics.mean(found):.1%}", each])
    print(table(["experiment", "gate", "validation accuracy", "each seed"], rows))


if __name__ == "__main__":
    main()
