"""Against ``transformers serve``: a real OpenAI-compatible server that nobody here wrote."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from transformers import LlamaConfig, LlamaForCausalLM

from distilwhy.errors import TeacherError
from distilwhy.pipeline.annotate.annotations import read_annotations, read_outcomes
from distilwhy.pipeline.annotate.gate import require_parsed
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.store.files import publish_jsonl
from distilwhy.students.families.tokenizer import train_tokenizer

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
STARTS_WITHIN_S = 120


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random decoder with a ChatML template: it writes nothing but noise."""
    folder = tmp_path_factory.mktemp("teacher") / "noise"
    tokenizer = train_tokenizer(["some words to make a tokenizer of"] * 5, 400)
    tokenizer.chat_template = CHATML
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=2048,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def base_url(model: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).with_name("transformers"), "serve", str(model)]
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", server)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.kill()
        server.communicate()


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    started = time.monotonic()
    while time.monotonic() - started < STARTS_WITHIN_S:
        if server.poll() is not None:
            raise AssertionError(f"transformers serve ended: {server.stdout.read().decode()}")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.3)
    raise AssertionError("transformers serve did not start")


@pytest.mark.parametrize("kind", ["chat", "completion"])
def test_every_row_gets_an_outcome_from_transformers_serve(
    kind: str, base_url: str, model: Path, tmp_path: Path
):
    rows = [{"id": str(i), "text": f"row {i}", "label": "yes"} for i in range(12)]
    publish_jsonl(tmp_path / "train.jsonl", rows)
    experiment = {
        "task": {
            "instruction": "Answer yes or no.",
            "input": "{{ text }}",
            "gold": "label",
            "answer": {"kind": "choice", "labels": ["yes", "no"]},
            "exemplars": [{"text": "row", "label": "no", "rationale": "It has no number."}],
        },
        "data": {"train": "train.jsonl", "validation": 0.25},
        "teacher": {
            "kind": kind,
            "base_url": base_url,
            "model": str(model),
            "max_tokens": 12,
            "concurrency": 2,
        },
        "out": "run",
    }
    (tmp_path / "experiment.yaml").write_text(yaml.safe_dump(experiment))
    opened = open_experiment(tmp_path / "experiment.yaml")
    progress = annotate(opened)
    assert (progress.total, progress.answered, progress.failed) == (12, 12, 0)
    tallies = read_outcomes(opened)
    assert sum(tally.asked for tally in tallies.values()) == 12
    outcomes = [tally.outcomes for tally in tallies.values()]
    assert sum(o["unparsed"] + o["truncated"] + o["refused"] for o in outcomes) == 12
    with pytest.raises(
        TeacherError, match="12 of 12 answers could not be parsed, so nothing is trained"
    ):
        require_parsed(read_annotations(opened))
    assert annotate(opened).from_ledger == 12
