"""Measures how fast ``annotate`` makes calls, and how much memory many rows take.

python benchmarks/annotate.py pace [CONCURRENCY ...]

A loopback server answers after 200 ms, so the ideal rate is concurrency / latency. The bare loop
posts the same bodies with the same client, reads the replies and discards them. The two alternate,
three times each; the medians are printed.

python benchmarks/annotate.py rows [ROWS ...]

A loopback server answers at once. Prints the peak memory of ``distilwhy annotate``, and its
difference from the run with the fewest rows; then the time that a new process takes to find and
make 100 calls whose answers were removed from the ledger.
"""

import asyncio
import json
import multiprocessing
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from distilwhy.pipeline.annotate.calls import open_calls
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import Experiment, open_experiment
from distilwhy.teachers.wires.openai import CHAT

LATENCY_S = 0.2
ROUNDS = 3
SECONDS = 12
LEVELS = (8, 64, 256, 1024)
SIZES = (10_000, 100_000, 1_000_000)
ASK = """
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import open_experiment
"""
EXPERIMENT = """
task:
  instruction: Sort the message.
  input: "{{ message }}"
  gold: kind
  answer: {kind: choice, labels: [damage, question, praise]}
  exemplars:
    - {message: The swing broke., kind: damage, rationale: Something is broken.}
data: {train: train.jsonl}
teacher: {kind: chat, base_url: "URL", model: m, concurrency: CONCURRENCY}
methods: [step-by-step]
out: OUT
"""
SAID = {
    "choices": [
        {
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "Why. So the answer is damage."},
        }
    ],
    "usage": {"prompt_tokens": 60, "completion_tokens": 8},
}


def serve(told: "multiprocessing.Queue[int]", latency: float) -> None:
    async def answer(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(latency)
        return web.json_response(SAID)

    async def run() -> None:
        application = web.Application()
        application.router.add_post("/v1/chat/completions", answer)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
        told.put(runner.addresses[0][1])
        await asyncio.sleep(3600)

    asyncio.run(run())


@contextmanager
def server(latency: float) -> Iterator[str]:
    told: multiprocessing.Queue[int] = multiprocessing.Queue()
    process = multiprocessing.Process(target=serve, args=(told, latency), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{told.get()}/v1"
    finally:
        process.terminate()


def write(folder: Path, url: str, concurrency: int, count: int, name: str) -> Path:
    with (folder / "train.jsonl").open("w") as file:
        for i in range(count):
            row = {"id": f"a{i}", "message": f"Message {i}.", "kind": "damage"}
            file.write(json.dumps(row) + "\n")
    text = EXPERIMENT.replace("URL", url).replace("CONCURRENCY", str(concurrency))
    path = folder / f"{name}.yaml"
    path.write_text(text.replace("OUT", name))
    return path


def bare(experiment: Experiment, url: str, concurrency: int) -> float:
    """Rows a second of a loop that only posts and reads."""
    config, calls = experiment.config.teacher, open_calls(experiment)
    bodies = [CHAT.body(config, calls.prompt(e)) for e in experiment.to_annotate()]
    waiting = iter(bodies)

    async def run() -> float:
        connector = aiohttp.TCPConnector(limit=concurrency)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def work() -> None:
                for body in waiting:
                    async with session.post(f"{url}/chat/completions", json=body) as response:
                        json.loads(await response.read())

            started = time.perf_counter()
            await asyncio.gather(*(work() for _ in range(concurrency)))
            return len(bodies) / (time.perf_counter() - started)

    return asyncio.run(run())


def whole(experiment: Experiment) -> float:
    """Rows a second of an annotation: ledger, reading and accounting included."""
    started = time.perf_counter()
    made = annotate(experiment).answered
    return made / (time.perf_counter() - started)


def measure_pace(levels: Sequence[int]) -> None:
    print("concurrency   ideal    bare   annotate   of ideal   of bare")
    with server(LATENCY_S) as url, tempfile.TemporaryDirectory() as folder:
        for level in levels:
            count = min(int(level / LATENCY_S * SECONDS), 40_000)
            bares, wholes = [], []
            for turn in range(ROUNDS):
                file = write(Path(folder), url, level, count, f"run-{level}-{turn}")
                experiment = open_experiment(file)
                bares.append(bare(experiment, url, level))
                wholes.append(whole(experiment))
            ideal, loop, ours = level / LATENCY_S, *map(statistics.median, (bares, wholes))
            print(
                f"{level:11}  {ideal:6.0f}  {loop:6.0f}   {ours:8.0f}   {ours / ideal:8.0%}"
                f"   {ours / loop:7.0%}",
                flush=True,
            )


def measure_rows(sizes: Sequence[int]) -> None:
    print("     rows   memory, MB   of the fewest   found again, s   of a bare start")
    fewest = None
    with server(0.0) as url, tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            file = write(Path(folder), url, 128, size, f"run-{size}")
            memory = peak([sys.executable, "-m", "distilwhy", "annotate", str(file), "--yes"])
            fewest = fewest or memory
            take_out(open_experiment(file), 100)
            seconds, bare = (
                time_to_end([sys.executable, "-c", code])
                for code in (f"{ASK}annotate(open_experiment({str(file)!r}))", ASK)
            )
            print(
                f"{size:9,}   {memory / 2**20:10.0f}   {memory / fewest:13.2f}   {seconds:14.1f}"
                f"   {bare:15.1f}",
                flush=True,
            )


def peak(command: list[str]) -> int:
    """The most memory that a process held, in bytes."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_maxrss * 1024


def time_to_end(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - started


def take_out(experiment: Experiment, count: int) -> None:
    """Take answers out of the ledger, spread over all."""
    with sqlite3.connect(experiment.folder.ledger) as ledger:
        ledger.execute(
            "DELETE FROM completions WHERE number IN (SELECT number FROM completions"
            " WHERE number % (SELECT count(*) / ? FROM completions) = 1 LIMIT ?)",
            (count, count),
        )
    ledger.close()


def main() -> None:
    what, *numbers = sys.argv[1:] or [""]
    if what in ("", "pace"):
        measure_pace([int(number) for number in numbers] or LEVELS)
    if what in ("", "rows"):
        measure_rows([int(number) for number in numbers] or SIZES)


if __name__ == "__main__":
    main()
