"""Loads a server and checks every answer against its own row; ``serve.py`` starts it.

python benchmarks/load.py PORT KNOWN.jsonl [--clients N] [--seconds S]
                          [--rate R] [--rows N] [--faults]

A line of KNOWN.jsonl has a ``row``, and the ``label`` and ``confidence`` that the student gives it
by itself. Each client has one connection and asks again once it is answered; with ``--rate`` all
together send so many requests a second, if the server keeps up. With ``--faults`` clients also hang
up, send half a body, or send what is no request. Prints JSON.
"""

import argparse
import asyncio
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

# Answers of the same row differ by rounding in passes of other rows.
TOLERANCE = 1e-3
NO_REQUESTS = (b"{", b"[]", b'{"row": 1}', b'{"row": {"x": NaN}}', b"[" * 100_000, b"\xff\xfe")


@dataclass
class Load:
    """What the clients send, and what came of it."""

    port: int
    known: list[dict[str, object]]
    until: float
    interval: float = 0.0
    most: int = 1
    faults: bool = False
    seconds: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    wrong: int = 0

    async def run(self, number: int) -> None:
        """One client: ask until the time is over."""
        rng, due = random.Random(number), time.perf_counter() + random.random() * self.interval
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        while time.perf_counter() < self.until:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            due += self.interval
            if self.faults and rng.random() < 0.1:
                await self._break(rng)
                continue
            picked = [rng.randrange(len(self.known)) for _ in range(rng.randint(1, self.most))]
            rows = [{**self.known[i]["row"], "id": f"{i}"} for i in picked]
            start = time.perf_counter()
            status, body = await exchange(reader, writer, json.dumps({"rows": rows}).encode())
            self.statuses[str(status)] += 1
            if status == 200:
                self.seconds.append(time.perf_counter() - start)
                self._check(picked, json.loads(body)["predictions"])
            elif status == 429:
                await asyncio.sleep(0.05)
        writer.close()

    def _check(self, picked: list[int], found: list[dict[str, object]]) -> None:
        self.rows += len(picked)
        for place, one in zip(picked, found, strict=True):
            known = self.known[place]
            same = one["id"] == f"{place}" and one["label"] == known["label"]
            is_close = abs(one["confidence"] - known["confidence"]) < TOLERANCE
            self.wrong += not (same and is_close)

    async def _break(self, rng: random.Random) -> None:
        """A request that cannot be answered, or whose answer nobody waits for."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        body = json.dumps({"rows": [self.known[0]["row"]] * self.most}).encode()
        kind = rng.randrange(3)
        if kind == 2:
            status, _ = await exchange(reader, writer, rng.choice(NO_REQUESTS))
            self.statuses[f"{status} for no request"] += 1
        else:
            writer.write(head(body) + body[: len(body) // (1 + kind)])
            await writer.drain()
            self.statuses["half a body" if kind else "hung up"] += 1
        writer.close()


def head(body: bytes) -> bytes:
    """The head of a request with this body."""
    lines = "POST /predict HTTP/1.1", "Host: a", "Content-Type: application/json"
    return "\r\n".join((*lines, f"Content-Length: {len(body)}", "", "")).encode()


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes
) -> tuple[int, bytes]:
    """Send a request; returns the status and the body of the reply."""
    writer.write(head(body) + body)
    first, *headers = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
    length = next(int(line.split(b":")[1]) for line in headers if line.startswith(b"content-len"))
    return int(first.split()[1]), await reader.readexactly(length)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("port", type=int)
    parser.add_argument("known", type=Path)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--faults", action="store_true")
    given = parser.parse_args()
    known = [json.loads(line) for line in given.known.read_text().splitlines()]
    interval = given.clients / given.rate if given.rate else 0.0
    start = time.perf_counter()
    load = Load(given.port, known, start + given.seconds, interval, given.rows, faults=given.faults)
    found = await asyncio.gather(*map(load.run, range(given.clients)), return_exceptions=True)
    errors = Counter(type(one).__name__ for one in found if one is not None)
    seconds = sorted(load.seconds) or [0.0]
    at = {
        f"p{share}": seconds[min(len(seconds) - 1, len(seconds) * share // 100)]
        for share in (50, 95, 99)
    }
    told = {"rows": load.rows, "wrong": load.wrong, "errors": errors, "statuses": load.statuses}
    print(json.dumps({**told, **at, "seconds": time.perf_counter() - start}))


if __name__ == "__main__":
    asyncio.run(main())
