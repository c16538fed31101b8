"""Compares the parser with the stricter rule behind the published accuracies of PaLM 540B.

These are 77.2 % on the CommonsenseQA test rows and 74.0 % on SVAMP. The stricter rule: the text
before the first invented question must state its answer exactly once, in one fixed form, and repeat
a choice letter for letter. Prints the accuracy under both rules, the completions by outcome, and
each test row that the rules judge differently, with the words that decide it.

    python benchmarks/reading.py ../shared/data
"""

import json
import re
import sys
from collections import Counter
from pathlib import Path

from distilwhy.core.parsing.completion import Annotation, Completion
from distilwhy.core.parsing.expression import EquationError, parse_equation
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.task import Example, Task
from distilwhy.pipeline.task import read_task
from distilwhy.store.examples import read_examples

EXAMPLES = Path(__file__).parent.parent / "examples"
STOP = ("\n\nQ:",)


def read_completions(path: Path) -> dict[str, str]:
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {row["id"]: row["completion"] for row in rows}


def strict_is_right(task: Task, example: Example, text: str) -> bool:
    """Whether the stricter rule reads the gold answer."""
    cue = "So the answer is" if task.answer.kind == "choice" else "The answer is"
    parts = text.split("Q:")[0].split(cue)
    if len(parts) != 2:
        return False
    if task.answer.kind == "choice":
        stated = parts[1].split(")")
        return len(stated) > 1 and stated[1].strip().rstrip(".") == example.gold
    bracketed = re.search(r"\(.*\)", parts[1])
    try:
        return bracketed is not None and task.answer.same(
            str(parse_equation(bracketed[0]).value), example.gold
        )
    except EquationError:
        return False


def stated(text: str) -> str:
    """The end of the reply proper, where the answer stands."""
    return text.split("\n\nQ:")[0][-70:].replace("\n", " ")


def report(name: str, data: Path) -> None:
    task = read_task(EXAMPLES / f"{name}-task.yaml")
    for split in ("train", "test"):
        examples = read_examples(data / name / f"{split}.jsonl", task)
        texts = read_completions(data / name / f"{split}.palm540b.jsonl")
        read: dict[str, Annotation] = {
            e.id: parse_completion(task, e, Completion(texts[e.id]), STOP) for e in examples
        }
        ours = {e.id: task.answer.same(read[e.id].label, e.gold) for e in examples}
        strict = {e.id: strict_is_right(task, e, texts[e.id]) for e in examples}
        outcomes = Counter(annotation.outcome for annotation in read.values())
        print(
            f"{name} {split}: {len(examples)} rows, {dict(outcomes)}; right: "
            f"{sum(strict.values()) / len(examples):.1%} strict, "
            f"{sum(ours.values()) / len(examples):.1%} here"
        )
        for example in examples if split == "test" else ():
            if ours[example.id] != strict[example.id]:
                found = read[example.id]
                here = found.label if found.outcome == "ok" else found.problem
                print(
                    f"  {example.id}: right {'here' if ours[example.id] else 'strict'} only; "
                    f"read {here!r}, gold {example.gold!r}: …{stated(texts[example.id])!r}"
                )


if __name__ == "__main__":
    for dataset in ("cqa", "svamp"):
        report(dataset, Path(sys.argv[1]))
