"""Measures a local teacher with and without the cached prefix of its prompts.

python benchmarks/local_teacher.py

Both answer the same prompts of the shipped help-desk task, alternating batch by batch. The model is
a Llama with random weights that always writes as many tokens as allowed, so both do the same work.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import statistics
import tempfile
import time
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from distilwhy.config import LocalTeacherConfig
from distilwhy.demo.run import write_experiment
from distilwhy.pipeline.annotate.calls import open_calls
from distilwhy.pipeline.experiment import Experiment, open_experiment
from distilwhy.students.families.tokenizer import train_tokenizer
from distilwhy.teachers.local.generate import EncodedPrompt, Generator
from distilwhy.teachers.tokens import PromptTokenizer

ROUNDS = 3
BATCH = 16
WRITTEN = (16, 64)
WIDTH, LAYERS, VOCABULARY = 256, 6, 2000


def make_writers(tokenizer: object, tokens: int) -> tuple[Generator, Generator]:
    """The same model twice, the second without what the first keeps."""
    torch.manual_seed(0)
    config = LocalTeacherConfig(
        kind="local", model="random", max_tokens=tokens, batch_size=BATCH, stop=[]
    )
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            num_hidden_layers=LAYERS,
            num_attention_heads=8,
            max_position_embeddings=4096,
            eos_token_id=None,
        )
    )
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    keeps, plain = Generator(model, tokenizer, config), Generator(model, tokenizer, config)
    for writer in (keeps, plain):
        writer._ends = []
    plain.prefix.is_used = False
    return keeps, plain


def batches(experiment: Experiment, tokenizer: PromptTokenizer) -> list[list[EncodedPrompt]]:
    calls = open_calls(experiment)
    rows = experiment.splits.train[: BATCH * (ROUNDS + 1)]
    ids = [tokenizer.encode(calls.prompt(row)) for row in rows]
    ids.sort(key=len)
    return [
        [EncodedPrompt(one, 0) for one in ids[at : at + BATCH]] for at in range(0, len(ids), BATCH)
    ]


def seconds(writer: Generator, batch: list[EncodedPrompt]) -> float:
    started = time.perf_counter()
    found = writer.generate(batch)
    assert all(one.tokens == writer._config.max_tokens for one in found)
    return time.perf_counter() - started


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        experiment = open_experiment(write_experiment(Path(folder), "helpdesk"))
        texts = [open_calls(experiment).prompt(experiment.splits.train[0]).as_text()]
        tokenizer = train_tokenizer(texts * 3, VOCABULARY)
        prompts = PromptTokenizer(tokenizer)
        first, *rest = batches(experiment, prompts)
    for tokens in WRITTEN:
        keeps, plain = make_writers(tokenizer, tokens)
        seconds(keeps, first), seconds(plain, first)
        both = [(seconds(keeps, batch), seconds(plain, batch)) for batch in rest]
        kept, bare = (statistics.median(column) for column in zip(*both, strict=True))
        shared = keeps.prefix.open([one.ids for one in first])[0]
        print(
            f"{BATCH} prompts of about {len(rest[0][0].ids)} tokens, {shared} in common, "
            f"{tokens} written: {bare:.2f} s, with the start kept {kept:.2f} s, "
            f"{bare / kept:.2f} times as fast",
            flush=True,
        )


if __name__ == "__main__":
    main()
