"""The server under load from another process: throughput, latency, overload, memory, faults.

python benchmarks/serve.py [--student FOLDER] [--seconds S] [--clients N ...] [--part PART ...]
                           [--minutes M] [--rate R] [--answers N]

Without ``--student`` it serves one of the shape of the demo's, with random weights, which is as
fast. Rows are help-desk messages, one a request. Parts:

batching  rows a second and latency by the number of clients, with and without micro-batching
overload  three times the requests that 64 clients had answered
memory    what the server holds while 64 clients ask for ``--minutes``, ``--rate`` times a second
faults    requests of up to 32 rows, with clients that hang up, send half a body or no request,
          beside 1,000 idle connections, until ``--answers`` were checked against their own rows

Every answer of every part is checked: id, label and confidence.
"""

import argparse
import json
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import mkdtemp

import psutil
import torch
from machine import name_machine, table

from distilwhy.config import ScratchConfig, StudentConfig
from distilwhy.core.method import METHODS
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import RowFormat, Task
from distilwhy.demo.helpdesk import TEAMS, generate_tickets
from distilwhy.students.load import build_network
from distilwhy.students.spec import StudentSpec
from distilwhy.students.student import Student

ROWS, CLIENTS = 2000, 64


def make_student(folder: Path) -> None:
    """A student of the shape of the demo's, with random weights."""
    task = Task("", RowFormat("{{ message }}"), Answer("choice", TEAMS))
    scratch = ScratchConfig(width=128, layers=2, heads=4, feedforward=256)
    spec = StudentSpec(task, METHODS["step-by-step"], StudentConfig(scratch=scratch))
    texts = [ticket.message for ticket in generate_tickets(ROWS, 1)]
    Student(build_network(spec, [*texts, *TEAMS], 0).eval()).save(folder)


def write_known(folder: Path, file: Path) -> None:
    """What the student says by itself, a line a row."""
    rows = [asdict(ticket) for ticket in generate_tickets(ROWS, 2)]
    told = zip(rows, Student.load(folder).predict(rows), strict=True)
    lines = [
        {"row": {"message": row["message"]}, "label": one.label, "confidence": one.confidence}
        for row, one in told
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))


@contextmanager
def served(folder: Path, *options: str):
    """A server, as its process and its port."""
    command = [sys.executable, "-m", "distilwhy", "serve", str(folder), "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process, int(process.stdout.readline().rpartition(":")[2])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def start_load(port: int, known: Path, *options: object) -> subprocess.Popen:
    command = [sys.executable, str(Path(__file__).with_name("load.py")), str(port), str(known)]
    return subprocess.Popen([*command, *map(str, options)], stdout=subprocess.PIPE, text=True)


def load(port: int, known: Path, *options: object) -> dict:
    """Load a server; returns what ``load.py`` found, where nothing may be wrong."""
    found = json.loads(start_load(port, known, *options).communicate()[0])
    assert not found["wrong"], found
    assert not found["errors"], found
    return {**found, "rate": found["rows"] / found["seconds"]}


def describe(found: dict) -> list[str]:
    times = [f"{1000 * found[name]:.0f}" for name in ("p50", "p95", "p99")]
    return [f"{found['rate']:,.0f}", *times]


def batching(folder: Path, known: Path, given: argparse.Namespace) -> None:
    rows, rates = [], {}
    for delay in ("0", "4"):
        with served(folder, "--max-delay", delay, "--max-wait", "60") as (_, port):
            load(port, known, "--seconds", 3, "--clients", 8)
            for clients in given.clients:
                found = load(port, known, "--seconds", given.seconds, "--clients", clients)
                rates[delay, clients] = found["rate"]
                way = "batches" if delay != "0" else "one row a pass"
                rows.append([way, str(clients), *describe(found)])
    print(table(["passes", "clients", "rows/s", "p50 ms", "p95 ms", "p99 ms"], rows))
    for clients in given.clients:
        print(f"{clients} clients: {rates['4', clients] / rates['0', clients]:.1f} times the rows")


def overload(folder: Path, known: Path, given: argparse.Namespace) -> None:
    with served(folder) as (_, port):
        found = load(port, known, "--seconds", given.seconds, "--clients", CLIENTS)
        rate, most = found["rate"], 3 * found["rate"]
        print(f"64 clients: {rate:,.0f} rows/s, p99 {1000 * found['p99']:.0f} ms")
        options = "--seconds", given.seconds, "--clients", 1000, "--rate", most
        found = load(port, known, *options)
    sent = sum(found["statuses"].values()) / found["seconds"]
    print(
        f"offered {most:,.0f} a second, sent {sent:,.0f}: {found['rate']:,.0f} rows/s answered, "
        f"p99 {1000 * found['p99']:.0f} ms; statuses {found['statuses']}"
    )


def memory(folder: Path, known: Path, given: argparse.Namespace) -> None:
    with served(folder) as (process, port):
        options = "--seconds", 60 * given.minutes, "--clients", CLIENTS, "--rate", given.rate
        running = start_load(port, known, *options)
        held, start = psutil.Process(process.pid), time.monotonic()
        while running.poll() is None:
            time.sleep(6 * given.minutes)
            minute = (time.monotonic() - start) / 60
            print(f"minute {minute:.1f}: {held.memory_info().rss / 2**20:.0f} MiB", flush=True)
        found = json.loads(running.communicate()[0])
    print(f"{found['rows']:,} rows, {found['wrong']} wrong, statuses {found['statuses']}")


def faults(folder: Path, known: Path, given: argparse.Namespace) -> None:
    checked = 0
    with ExitStack() as stack, served(folder) as (process, port):
        load(port, known, "--seconds", 1, "--clients", 1)
        for _ in range(1000):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        while checked < given.answers:
            found = load(port, known, "--seconds", 20, "--rows", 32, "--faults")
            checked += found["rows"]
            print(f"{checked:,} answers, all right; {found['statuses']}", flush=True)
        assert process.poll() is None


PARTS = {"batching": batching, "overload": overload, "memory": memory, "faults": faults}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--student", type=Path)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16, 64, 256])
    parser.add_argument("--part", choices=PARTS, nargs="+", default=list(PARTS))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--answers", type=int, default=100_000)
    given = parser.parse_args()
    work = Path(mkdtemp())
    folder = given.student or work / "student"
    if given.student is None:
        make_student(folder)
    write_known(folder, work / "known.jsonl")
    print(name_machine(torch.device("cpu")))
    for part in given.part:
        print(f"\n{part}", flush=True)
        PARTS[part](folder, work / "known.jsonl", given)


if __name__ == "__main__":
    main()
