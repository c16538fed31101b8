"""How fast a teacher is asked: rows a second beside the ideal, and beside a bare loop.

python benchmarks/annotate.py [CONCURRENCY ...]

A loopback server answers after 200 ms. The ideal is concurrency / latency; the bare loop posts the
same bodies by the same client and reads the replies, and keeps nothing. Both ask in turns, three
times each, and the medians are shown.
"""

import asyncio
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from distilwhy.flows.annotate import annotate
from distilwhy.flows.experiment import Experiment, open_experiment
from distilwhy.teachers.openai import CHAT

LATENCY_S = 0.2
ROUNDS = 3
SECONDS = 4
LEVELS = (8, 64, 256, 1024)
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


async def answer(request: web.Request) -> web.Response:
    await request.read()
    await asyncio.sleep(LATENCY_S)
    return web.json_response(SAID)


def serve(told: "multiprocessing.Queue[int]") -> None:
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
def server() -> Iterator[str]:
    told: multiprocessing.Queue[int] = multiprocessing.Queue()
    process = multiprocessing.Process(target=serve, args=(told,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{told.get()}/v1"
    finally:
        process.terminate()


def write(folder: Path, url: str, concurrency: int, name: str) -> Experiment:
    count = int(concurrency / LATENCY_S * SECONDS)
    rows = [
        {"id": f"a{i}", "message": f"Message {i}.", "kind": "damage"}
        for i in range(min(count, 8000))
    ]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = EXPERIMENT.replace("URL", url).replace("CONCURRENCY", str(concurrency))
    path = folder / f"{name}.yaml"
    path.write_text(text.replace("OUT", name))
    return open_experiment(path)


def bare(experiment: Experiment, url: str, concurrency: int) -> float:
    """Rows a second of a loop that only posts and reads."""
    config, inquiry = experiment.config.teacher, experiment.inquiry
    bodies = [CHAT.body(config, inquiry.prompt(e)) for e in experiment.to_annotate()]
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


def main() -> None:
    levels = [int(level) for level in sys.argv[1:]] or LEVELS
    print("concurrency   ideal    bare   annotate   of ideal   of bare")
    with server() as url, tempfile.TemporaryDirectory() as folder:
        for level in levels:
            bares, wholes = [], []
            for turn in range(ROUNDS):
                experiment = write(Path(folder), url, level, f"run-{level}-{turn}")
                bares.append(bare(experiment, url, level))
                wholes.append(whole(experiment))
            ideal, loop, ours = level / LATENCY_S, *map(statistics.median, (bares, wholes))
            print(
                f"{level:11}  {ideal:6.0f}  {loop:6.0f}   {ours:8.0f}   {ours / ideal:8.0%}"
                f"   {ours / loop:7.0%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
