"""Compares the accuracy of a majority vote with the multinomial distribution.

python benchmarks/self_consistency.py [ROWS]

A loopback server stands in for a teacher that is right in 70 % of its samples, drawn independently,
and otherwise gives one of four wrong labels with equal probability. ``annotate`` makes nine calls
for each row, and their answers are read as 1, 3, 5 and 9 samples. Gains are paired over the same
rows.
"""

import json
import sys
import tempfile
from collections import Counter, defaultdict
from itertools import product
from math import factorial, prod
from pathlib import Path
from random import Random

from aiohttp import web

from distilwhy.core.parsing.completion import Annotation
from distilwhy.core.stats.scores import Score, compare, score
from distilwhy.core.task import Example
from distilwhy.demo.loopback import LoopbackServer
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import open_experiment

RIGHT = 0.7
LABELS = ("north", "east", "south", "west", "up")
SAMPLES = (1, 3, 5, 9)
SHOWN = 5
EXPERIMENT = """
task:
  instruction: Say where it goes.
  input: "{{ text }}"
  gold: way
  answer: {kind: choice, labels: LABELS}
data: {train: train.jsonl, validation: 0.1}
teacher:
  kind: chat
  base_url: "URL"
  model: m
  strategy: zero-shot
  temperature: 1.0
  samples: SAMPLES
  concurrency: 16
  gate: {rows: 0}
methods: [step-by-step]
out: run
"""


class Teacher:
    """Answers each question with a sample of its own every time, whatever else it is asked."""

    def __init__(self) -> None:
        self._times = Counter[str]()

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_post("/v1/chat/completions", self._answer)
        return application

    async def _answer(self, request: web.Request) -> web.Response:
        question = (await request.json())["messages"][-1]["content"]
        self._times[question] += 1
        rng = Random(f"{question} {self._times[question]}")
        gold = gold_of(int(question.split()[1]))
        wrong = [label for label in LABELS if label != gold]
        label = gold if rng.random() < RIGHT else rng.choice(wrong)
        text = f"The sign at {rng.randrange(1000)} points there. So the answer is {label}."
        message = {"role": "assistant", "content": text}
        return web.json_response({"choices": [{"finish_reason": "stop", "message": message}]})


def gold_of(number: int) -> str:
    return LABELS[number % len(LABELS)]


def ask(folder: Path, rows: int, samples: int) -> None:
    """Ask about rows, so many times each."""
    lines = [
        {"id": f"r{i}", "text": f"Parcel {i} goes where?", "way": gold_of(i)} for i in range(rows)
    ]
    (folder / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with LoopbackServer(Teacher().application()) as server:
        write(folder, samples, f"{server.url}/v1")
        annotate(open_experiment(folder / "experiment.yaml"))


def write(folder: Path, samples: int, url: str) -> None:
    text = EXPERIMENT.replace("URL", url).replace("SAMPLES", str(samples))
    (folder / "experiment.yaml").write_text(text.replace("LABELS", json.dumps(LABELS)))


def read(folder: Path, samples: int) -> list[tuple[Example, Annotation]]:
    """What was said, read as that many samples a row."""
    write(folder, samples, "http://127.0.0.1:9/v1")
    experiment = open_experiment(folder / "experiment.yaml")
    said = read_annotations(experiment)
    return [(example, said[example.id]) for example in experiment.to_annotate()]


def judge(said: list[tuple[Example, Annotation]]) -> list[bool]:
    return [annotation.label == example.gold for example, annotation in said]


def expect(
    samples: int, right: float = RIGHT, wrong: int = len(LABELS) - 1
) -> dict[float, tuple[float, float]]:
    """By the share of votes that the winner has: how likely that is, and how likely it is then
    right. Of labels that are equally common the one given first wins, so each is as likely to."""
    found: dict[float, list[float]] = defaultdict(lambda: [0.0, 0.0])
    odds = (right, *[(1 - right) / wrong] * wrong)
    for others in product(range(samples + 1), repeat=wrong):
        counts = (samples - sum(others), *others)
        if counts[0] < 0:
            continue
        ways = factorial(samples) / prod(map(factorial, counts))
        chance = ways * prod(p**n for p, n in zip(odds, counts, strict=True))
        most = max(counts)
        found[most / samples][0] += chance
        found[most / samples][1] += chance * (counts[0] == most) / counts.count(most)
    return {share: (mass, good / mass) for share, (mass, good) in sorted(found.items())}


def expect_accuracy(samples: int, right: float = RIGHT, wrong: int = len(LABELS) - 1) -> float:
    return sum(mass * good for mass, good in expect(samples, right, wrong).values())


def by_share(said: list[tuple[Example, Annotation]]) -> dict[float, Score]:
    """The accuracy of the rows whose winner has each share of the votes."""
    groups: dict[float, list[bool]] = defaultdict(list)
    for (_, annotation), correct in zip(said, judge(said), strict=True):
        groups[annotation.votes[0][1]].append(correct)
    return {share: score([correct]) for share, correct in sorted(groups.items())}


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ask(folder, rows, max(SAMPLES))
        single = judge(read(folder, 1))
        print("samples   right   95 % interval      exact   gain over one, in points")
        for samples in SAMPLES:
            correct = judge(read(folder, samples))
            found, gain = score([correct]), compare([correct], [single])
            more = f"{100 * gain.difference:+.1f} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
            print(
                f"{samples:7}   {found.accuracy:5.1%}   {found.low:.1%} to {found.high:.1%}   "
                f"{expect_accuracy(samples):6.1%}   {more if samples > 1 else ''}"
            )
        print(f"\nshare of {SHOWN} votes   rows   right   95 % interval       exact")
        exact = expect(SHOWN)
        for share, found in by_share(read(folder, SHOWN)).items():
            print(
                f"{share:16.0%}   {found.rows:4}   {found.accuracy:5.1%}   "
                f"{found.low:6.1%} to {found.high:.1%}   {exact[share][1]:6.1%}"
            )


if __name__ == "__main__":
    main()
