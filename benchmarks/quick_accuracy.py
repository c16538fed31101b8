"""Compares the accuracy of students trained by the quick operations with that of plain training.

python benchmarks/quick_accuracy.py [FOLDER] [--seeds N]

Trains ``step-by-step`` on the shipped task with each seed twice, and compares the two students of a
seed on the same test rows. The quick way has all that makes training faster on a CPU, whether or
not the students are wide enough for it by default: 16-bit dropout, attention that is written out,
fused layers, and one pass of the decoder for label and rationale. It stops and goes on like any
study: a folder that has the students is reused.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from two_passes import judge_all, show, write

from distilwhy.core.stats.scores import compare
from distilwhy.demo.scripted import ScriptedTeacher
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.run import run
from distilwhy.students.cpu import quick
from distilwhy.students.families.seq2seq import Seq2SeqNetwork


@contextmanager
def training(*, is_quick: bool) -> Iterator[None]:
    """Within the context, training is quick at any width, or plain."""
    width = 0 if is_quick else 2**31
    with patch.object(quick, "CPU_WIDE", width):
        if is_quick:
            yield
            return
        with patch.object(Seq2SeqNetwork, "_can_share", False):
            yield


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, nargs="?", default=Path("quick-accuracy"))
    parser.add_argument("--seeds", type=int, default=20)
    given = parser.parse_args()
    seeds, right = [*range(given.seeds)], {}
    with ScriptedTeacher() as teacher:
        for name, is_quick in (("plain", False), ("quick", True)):
            file = write(given.folder, name, seeds=seeds)
            experiment = open_experiment(file, base_url=teacher.base_url)
            with training(is_quick=is_quick):
                run(experiment, workers=1)
            right[name] = judge_all(experiment, seeds)
            show(name, right[name])
    print(f"quick against plain: {compare(right['quick'], right['plain']).words}")


if __name__ == "__main__":
    main()
