"""Makes the run folders beside this file. It runs at commit 5c04621 alone, and documents the data.

python tests/data/made-by-0.1.0/make.py FOLDER
"""

import asyncio
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import torch
import yaml
from aiohttp import web

sys.path.insert(0, str(Path(__file__).parents[2]))

from distilwhy.flows.experiment import open_experiment
from distilwhy.flows.train import Watcher, train_students

import batch_server
from endpoint import Endpoint, Reply, fails, question_of, says, sends_half

NOWHERE = "http://127.0.0.1:9/v1"
HOUR_S = 3600.0
THINGS = ("swing", "slide", "sandpit", "bench", "fountain", "gate", "lamp", "path", "hedge", "bin")
WORDED = (
    ("damage", "The {} is broken, and has been since {}.", "Something is broken."),
    ("question", "When is the {} open after {}?", "The writer wants to know something."),
    ("praise", "The {} has been lovely since {}.", "The writer is pleased."),
)
WHEN = ("Monday", "the café moved", "last week")
SHAPE = {"width": 8, "layers": 1, "heads": 2, "feedforward": 16, "vocabulary": 300}
MESSAGES = {
    "task": "task.yaml",
    "data": {name: f"{name}.jsonl" for name in ("train", "validation", "test")},
    "teacher": {
        "kind": "chat",
        "base_url": NOWHERE,
        "model": "made-up",
        "max_tokens": 200,
        "extra": {"seed": 1},
        "gate": {"rows": 4, "readable": 0.5, "accuracy": 0.2},
        "explain_wrong": True,
        "concurrency": 1,
    },
    "student": {"scratch": SHAPE},
    "training": {"steps": 200, "batch_size": 8, "lr": 1e-2, "evaluate_every": 50},
    "study": {"train_rows": [12, 1.0], "students": {"decoder": {"family": "causal"}}},
    "prices": {"input": 2.5, "output": 10, "cached_input": 1.25, "machine_hour": 1.5},
    "methods": ["label-distill", "step-by-step"],
    "out": "run",
}
TASK = {
    "instruction": "Sort the message to the keeper of a park.\n",
    "input": "{{ message }}{% if place %} ({{ place }}){% endif %}",
    "gold": "kind",
    "answer": {"kind": "choice", "labels": [kind for kind, _, _ in WORDED]},
    "exemplars": [
        {"message": text, "place": place, "kind": kind, "rationale": why}
        for text, place, kind, why in (
            ("The door does not shut.", "plot 9", "damage", "Something is broken."),
            ("May dogs come in?", None, "question", "The writer asks something."),
        )
    ],
}
PLACES = {
    "task": {
        "instruction": "Say where the thing is kept.",
        "input": "Where is a {{ thing }} kept?\n{{ choices.text | lettered }}",
        "gold": "answer",
        "answer": {"kind": "choice", "options": "choices.text"},
    },
    "data": {"train": "train.jsonl", "validation": 0.25, "test": "test.jsonl"},
    "teacher": {
        "kind": "recorded",
        "completions": ["said.jsonl", "reasons.csv"],
        "explanations": ["explained.jsonl"],
        "samples": 3,
        "explain_wrong": True,
    },
    "student": {
        "family": "encoder",
        "scratch": {**SHAPE, "dropout": 0.2},
        "decoder_layers": 1,
        "max_input_tokens": 64,
    },
    "training": {
        "steps": 12,
        "batch_size": 4,
        "lr": [1e-2, 3e-3],
        "rationale_weight": 0.5,
        "weighting": "staged",
        "soft_labels": {"weight": 0.25, "temperature": 2.0},
        "several_rationales": "average",
        "wrong_rationales": "explain",
        "evaluate_every": 4,
        "patience": 3,
    },
    "methods": ["finetune", "step-by-step", "rationale-input"],
    "seeds": [0, 1],
    "out": "run",
}


def write_rows(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")


def write_experiment(path: Path, settings: Mapping[str, object]) -> Path:
    path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return path


def distilwhy(*arguments: object) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "distilwhy", *map(str, arguments)]
    subprocess.run(command, check=True, env=environment)


def write_messages(folder: Path) -> None:
    rows = []
    for number in range(38):
        kind, text, _ = WORDED[number % 3]
        message = text.format(THINGS[number % 10], WHEN[number // 3 % 3])
        place = f"plot {number}" if number % 4 else None
        rows.append({"id": f"m{number}", "message": message, "place": place, "kind": kind})
    rows[5]["kind"] = None
    folder.mkdir(parents=True)
    write_rows(folder / "train.jsonl", rows[:24])
    write_rows(folder / "validation.jsonl", rows[24:30])
    write_rows(folder / "test.jsonl", rows[30:])
    write_experiment(folder / "task.yaml", TASK)


def at(folder: Path, name: str, url: str, out: str = "run", **teacher: object) -> Path:
    """An experiment file whose teacher is at an address."""
    told = {**MESSAGES["teacher"], "base_url": url, **teacher}  # type: ignore[dict-item]
    return write_experiment(folder / name, {**MESSAGES, "teacher": told, "out": out})


async def reply(request: web.Request) -> web.StreamResponse:
    """The made-up teacher's answer: usually right, at times unreadable, cut off or refused."""
    question = question_of(json.loads(await request.read()))
    usage: dict[str, object] = {"prompt_tokens": 90 + len(question), "completion_tokens": 9}
    kind, _, why = next(w for w in WORDED if w[1].split("{}")[1].split()[0] in question.split())
    if "Why?" in question:
        said = question.partition("The right answer is ")[2].partition(".")[0]
        return await says(f"It must be. So the answer is {said}.", usage=usage)(request)
    number = sum(map(ord, question))
    if number % 11 == 0:
        return await says("There is a lot to say about this.", usage=usage)(request)
    if number % 11 == 1:
        return await says(None, finish_reason="content_filter", usage=usage)(request)
    if number % 11 == 2:
        return await says(f"{why} So the ans", finish_reason="length", usage=usage)(request)
    if number % 11 == 3:
        kind = WORDED[number // 11 % 3][0]
    if number % 11 == 5:
        usage["prompt_tokens_details"] = {"cached_tokens": 64}
    thought = {"reasoning_content": "Let me see."} if number % 11 == 6 else {}
    return await says(f"{why} So the answer is {kind}.", usage=usage, **thought)(request)


def make_messages(folder: Path) -> None:
    write_messages(folder)
    ask_earlier(folder)
    with batch_server.BatchServer() as server:
        server.way = ()
        for line in (folder / "train.jsonl").read_text().splitlines():
            row = json.loads(line)
            if row["kind"] in ("damage", None):
                continue
            said = f"As it says. So the answer is {row['kind']}."
            question = f"{row['message']} ({row['place']})" if row["place"] else row["message"]
            server.plays[question] = [batch_server.says(said)]
        distilwhy("annotate", at(folder, "batch.yaml", server.url, batch=True), "--limit", 9, "-y")
        once = {"batch": True, "explain_wrong": False}
        waiting = at(folder, "waiting.yaml", server.url, "run-waiting", **once)
        distilwhy("annotate", waiting, "-y", "--no-wait")
    at(folder, "waiting.yaml", NOWHERE, "run-waiting", **once)
    (folder / "batch.yaml").unlink()
    with Endpoint() as endpoint:
        first = json.loads((folder / "test.jsonl").read_text().splitlines()[0])
        endpoint.plays = {f"{first['message']} ({first['place']})": [sends_half(), reply]}
        endpoint.otherwise = [reply]
        file = at(folder, "experiment.yaml", endpoint.url)
        distilwhy("annotate", file, "-y", "--budget", 5)
        distilwhy("annotations", file, "--retry", "truncated", "-y")
    file = at(folder, "experiment.yaml", NOWHERE)
    at(folder, "earlier.yaml", NOWHERE, max_tokens=64)
    distilwhy("compare", file, "--workers", 1, "-y")
    distilwhy("annotations", file, "--export", folder / "annotations.jsonl")


def ask_earlier(folder: Path) -> None:
    """Ask with another ``max_tokens``: one run is killed, and one call fails."""
    stopped = asyncio.Event()

    async def stall(request: web.Request) -> web.StreamResponse:
        await stopped.wait()
        return await says()(request)

    refused: Reply = fails(400, "the content of this message is not allowed")
    with Endpoint() as endpoint:
        file = at(folder, "earlier.yaml", endpoint.url, max_tokens=64)
        endpoint.otherwise = [stall]
        command = [sys.executable, "-m", "distilwhy", "annotate", str(file), "-y"]
        with subprocess.Popen(command) as killed:
            while not endpoint.asked and killed.poll() is None:
                time.sleep(0.1)
            killed.send_signal(signal.SIGKILL)
        endpoint.otherwise = [reply]
        endpoint.plays = {endpoint.questions[0]: [stall, refused]}
        distilwhy("annotate", file, "-y", "--limit", 6)


def write_places(folder: Path) -> None:
    kept = {"spoon": "drawer", "coat": "hall", "ladder": "shed", "cup": "cupboard"}
    folder.mkdir(parents=True)
    rows = []
    for number in range(22):
        thing, place = list(kept.items())[number % 4]
        others = [other for other in kept.values() if other != place][number % 3 :][:2]
        options = [place, *others] if number % 2 else [*others, place]
        asked = f"{('red', 'old', 'small')[number % 3]} {thing}, number {number},"
        gold = None if number == 3 else place
        rows.append(
            {"id": f"p{number}", "thing": asked, "choices": {"text": options}, "answer": gold}
        )
    write_rows(folder / "train.jsonl", rows[:16])
    write_rows(folder / "test.jsonl", rows[16:])
    say_places(folder, rows, list(kept.values()))


def say_places(folder: Path, rows: list[dict[str, object]], places: list[str]) -> None:
    said, reasons, explained = [], [], []
    for number, row in enumerate(rows):
        place = places[number % 4]
        options = row["choices"]["text"]  # type: ignore[index]
        for sample in range(2):
            wrong = number % 5 == 0 or (number + sample) % 4 == 0
            label = next(o for o in options if o != place) if wrong else place
            text = f"People keep it there, as I know ({sample}). So the answer is {label}."
            said.append({"id": row["id"], "completion": "I do not know." if number == 6 else text})
        reasons.append({"id": row["id"], "rationale": "It is handy there.", "label": place})
        if number % 5 == 0:
            reasons[-1]["label"] = next(o for o in options if o != place)
            explained.append({"id": row["id"], "rationale": "It is near.", "label": place})
    write_rows(folder / "said.jsonl", said[:-1])
    write_rows(folder / "explained.jsonl", explained)
    with (folder / "reasons.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(reasons[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(reasons)


def make_places(folder: Path) -> None:
    write_places(folder)
    file = write_experiment(folder / "experiment.yaml", PLACES)
    distilwhy("annotate", file)
    distilwhy("train", file, "--method", "finetune", "--workers", 1)
    distilwhy("train", file, "--method", "rationale-input", "--workers", 1)
    leave_unfinished(file)
    distilwhy("evaluate", file, "--workers", 1)
    distilwhy("annotations", file, "--export", folder / "annotations.jsonl")


def leave_unfinished(file: Path) -> None:
    """Train ``step-by-step``, but stop its second seed at a checkpoint, as a kill would.

    An hour is added to the checkpoint's clock, so that a training resumed from it can be told
    from one that starts over.
    """

    def stop(cell: object, report: object) -> None:
        if getattr(cell, "seed", 0) == 1:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        train_students(open_experiment(file), "step-by-step", Watcher(reports=stop))
    unfinished = file.parent / "run/students/.step-by-step-seed1.unfinished"
    (state,) = unfinished.glob("checkpoint-*/state/custom_checkpoint_0.pkl")
    progress = torch.load(state, weights_only=True)
    torch.save({**progress, "seconds": HOUR_S}, state)


def tidy(folder: Path) -> None:
    """Remove reports and lock files."""
    for path in [*folder.rglob("report"), *folder.rglob("logs")]:
        shutil.rmtree(path)
    for path in [*folder.rglob(".*.lock"), *folder.rglob(".lock"), *folder.rglob(".batch.jsonl")]:
        path.unlink()


if __name__ == "__main__":
    made = Path(sys.argv[1])
    make_messages(made / "messages")
    make_places(made / "places")
    tidy(made)
