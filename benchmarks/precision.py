"""Compares a training step in bf16 with one in fp32, on three shapes with random weights.

python benchmarks/precision.py
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import statistics
import time

import torch
from transformers import T5Config, T5ForConditionalGeneration

from distilwhy.config import StudentConfig
from distilwhy.core.method import METHODS
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import RowFormat, Task
from distilwhy.students.batch import to_device
from distilwhy.students.families.seq2seq import Seq2SeqBatch, Seq2SeqNetwork
from distilwhy.students.families.target_batch import DecoderTargets
from distilwhy.students.families.tokenizer import train_tokenizer
from distilwhy.students.logits import IGNORED
from distilwhy.students.spec import StudentSpec

ROUNDS = 5
ROWS, SOURCE, LABEL, RATIONALE = 16, 64, 6, 64

SHAPES = {
    "T5-v1.1-small": {"vocab_size": 32128, "d_model": 512, "d_ff": 1024, "num_layers": 8},
    "MiniLM-L6": {"vocab_size": 30522, "d_model": 384, "d_ff": 1536, "num_layers": 4},
    "the shipped task": {"vocab_size": 1000, "d_model": 128, "d_ff": 256, "num_layers": 2},
}


def make_network(shape: dict[str, int]) -> Seq2SeqNetwork:
    heads = shape["d_model"] // 32
    model = T5ForConditionalGeneration(
        T5Config(d_kv=32, num_heads=heads, decoder_start_token_id=0, **shape)
    )
    task = Task("", RowFormat("{{ x }}"), Answer("text"))
    spec = StudentSpec(task, METHODS["step-by-step"], StudentConfig())
    return Seq2SeqNetwork(model, train_tokenizer(["one text"], 300), spec).train()


def make_batch() -> Seq2SeqBatch:
    def ids(length: int) -> torch.Tensor:
        return torch.randint(5, 300, (ROWS, length))

    rows, ones, none = torch.arange(ROWS), torch.ones(ROWS), torch.full((ROWS,), IGNORED)
    label = DecoderTargets("label", rows, rows, ids(LABEL), ones, None, ids(LABEL), none)
    long = ids(RATIONALE)
    rationale = DecoderTargets("rationale", rows, rows, long, ones, None, long, none)
    source = ids(SOURCE)
    return Seq2SeqBatch(source, torch.ones_like(source), (label, rationale))


def seconds(network: Seq2SeqNetwork, batch: Seq2SeqBatch, *, bf16: bool) -> float:
    device = batch.source.device
    started = time.perf_counter()
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
        losses = torch.stack([output.losses.mean() for output in network(batch)])
    losses.sum().backward()
    network.zero_grad(set_to_none=True)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


if __name__ == "__main__":
    place = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rows = to_device(make_batch(), place)
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
