"""An endpoint that bills what it answers."""

import asyncio
import json
import random
import threading
from dataclasses import dataclass, field
from decimal import Decimal

from aiohttp import web

from distilwhy.demo.loopback import LoopbackServer
from distilwhy.pipeline.annotate.budget import read_spending
from distilwhy.pipeline.experiment import Experiment


@dataclass
class BillingEndpoint:
    """An endpoint that answers at random, and adds up what it bills.

    Attributes:
        prices: For a million tokens: input, cached input, output.
        failure_rate: The share of requests that fail.
        bill: What it has billed: every answer that it gave, by the tokens that it counted.
    """

    prices: tuple[Decimal, Decimal, Decimal]
    rng: random.Random
    failure_rate: float = 0.0
    latency_s: float = 0.002
    bill: Decimal = Decimal(0)
    calls: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        await asyncio.sleep(self.rng.random() * self.latency_s)
        if self.rng.random() < self.failure_rate:
            status = self.rng.choice([429, 500, 503])
            return web.json_response({"error": {"message": "busy"}}, status=status)
        read = self.rng.randint(1, len(json.dumps(body["messages"])))
        cached = self.rng.randint(0, read)
        most = body["max_tokens"]
        cut = self.rng.random() < 0.2
        written = most if cut else self.rng.randint(1, most)
        price, cached_price, output_price = self.prices
        with self.lock:
            self.calls += 1
            self.bill += (
                (read - cached) * price + cached * cached_price + written * output_price
            ) / 1_000_000
        usage = {
            "prompt_tokens": read,
            "completion_tokens": written,
            "prompt_tokens_details": {"cached_tokens": cached},
        }
        said = "Becau" if cut else "Because. So the answer is damage."
        choice = {
            "finish_reason": "length" if cut else "stop",
            "message": {"role": "assistant", "content": said},
        }
        return web.json_response({"choices": [choice], "usage": usage})


def serve(endpoint: BillingEndpoint) -> LoopbackServer:
    application = web.Application()
    application.router.add_post("/v1/chat/completions", endpoint.answer)
    return LoopbackServer(application)


def prices_of(endpoint: BillingEndpoint) -> dict[str, object]:
    price, cached, output = map(float, endpoint.prices)
    return {"currency": "EUR", "input": price, "cached_input": cached, "output": output}


def spent_of(experiment: Experiment) -> Decimal:
    found = read_spending(experiment)
    assert found is not None
    return found.certain
