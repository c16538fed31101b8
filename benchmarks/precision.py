"""A training step in bf16 beside one in fp32, on two shapes of T5 with random weights.

python benchmarks/precision.py
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import statistics
import time

import torch
from transformers import T5Config, T5ForConditionalGeneration

from distilwhy.students.batches import Batch, TargetBatch
from distilwhy.students.training import TwoTask

ROUNDS = 5
ROWS, SOURCE, LABEL, RATIONALE = 16, 64, 6, 64
VOCABULARY = 32128


SHAPES = {
    "T5-v1.1-small": {"d_model": 512, "d_ff": 1024, "num_layers": 8, "num_heads": 6},
    "the shipped task": {"d_model": 128, "d_ff": 256, "num_layers": 2, "num_heads": 4},
}


def make_network(shape: dict[str, int]) -> TwoTask:
    vocabulary = VOCABULARY if shape["d_model"] > 256 else 1000
    config = T5Config(vocab_size=vocabulary, d_kv=32, decoder_start_token_id=0, **shape)
    return TwoTask(T5ForConditionalGeneration(config)).train()


def make_batch(device: torch.device) -> Batch:
    def ids(length: int) -> torch.Tensor:
        return torch.randint(2, 1000, (ROWS, length))

    rows, ones = torch.arange(ROWS), torch.ones(ROWS)
    label = TargetBatch("label", rows, ids(LABEL), ids(LABEL), ones)
    rationale = TargetBatch("rationale", rows, ids(RATIONALE), ids(RATIONALE), ones)
    source = ids(SOURCE)
    return Batch(source, torch.ones_like(source), (label, rationale)).to(device)


def seconds(network: TwoTask, batch: Batch, *, bf16: bool) -> float:
    device = batch.source.device
    started = time.perf_counter()
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
        loss, _ = network(batch)
    loss.backward()
    network.zero_grad(set_to_none=True)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


if __name__ == "__main__":
    place = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rows = make_batch(place)
    for name, shape in SHAPES.items():
        student = make_network(shape).to(place)
        for half in (False, True):
            seconds(student, rows, bf16=half)
        pairs = [
            (seconds(student, rows, bf16=False), seconds(student, rows, bf16=True))
            for _ in range(ROUNDS)
        ]
        full, short = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"{name} on {place}: fp32 {full:.3f} s, bf16 {short:.3f} s, {full / short:.2f} times")
