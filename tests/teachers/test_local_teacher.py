"""A teacher in this process: tiny random models that write noise, in good order."""

import asyncio
import json
import logging
import shutil
import subprocess
import sys
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    Gemma2Config,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    MptConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
)
from typer.testing import CliRunner

from annotating import all_calls
from distilwhy.cli.app import app
from distilwhy.config import LocalTeacherConfig
from distilwhy.core.prompt import Prompt, PromptPrefix
from distilwhy.errors import ConfigError, DistilwhyError, TeacherError
from distilwhy.pipeline.annotate.annotations import read_annotations, read_outcomes
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.plan import plan
from distilwhy.store.ledger import open_ledger
from distilwhy.teachers.base import Reply
from distilwhy.teachers.local.generate import Generator, Opening, Written, open_generator
from distilwhy.teachers.local.teacher import AHEAD, LocalTeacher

WORDS = 300
TOKENS = 12
SHAPE = {
    "vocab_size": WORDS,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": 0,
}
GPT = {"vocab_size": WORDS, "bos_token_id": None, "eos_token_id": None}
SHAPES: dict[str, Callable[[], Any]] = {
    "llama": lambda: LlamaConfig(**SHAPE),
    "qwen3": lambda: Qwen3Config(**SHAPE, head_dim=8),
    "gpt2": lambda: GPT2Config(**GPT, n_embd=32, n_layer=2, n_head=4, n_positions=256),
    "gemma2": lambda: Gemma2Config(**SHAPE, head_dim=8, sliding_window=8),
    "mistral": lambda: MistralConfig(**SHAPE, sliding_window=6),
    "dynamic": lambda: LlamaConfig(
        **SHAPE, rope_parameters={"rope_type": "dynamic", "factor": 2.0}
    ),
    "bloom": lambda: BloomConfig(**GPT, hidden_size=32, n_layer=2, n_head=4),
    "mpt": lambda: MptConfig(vocab_size=WORDS, d_model=32, n_layers=2, n_heads=4, max_seq_len=256),
}
KEEPS_A_START = ("llama", "qwen3", "gpt2")


def make_model(kind: str = "llama") -> Any:
    """A small random model whose weights are large enough for its logits to differ."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(SHAPES[kind]())
    for weight in model.parameters():
        if weight.dim() == 2:
            torch.nn.init.normal_(weight, std=0.2)
    return model


def make_tokenizer() -> Any:
    """One with a word for every token, so that all that is written can be read."""
    words = {f"w{i}": i for i in range(WORDS)}
    core = Tokenizer(models.WordLevel(words, unk_token="w1"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=core, unk_token="w1")


def settings(**changes: Any) -> LocalTeacherConfig:
    given: dict[str, Any] = {"max_tokens": TOKENS, "stop": [], **changes}
    return LocalTeacherConfig(kind="local", model="noise", **given)


def make_writer(kind: str = "llama", model: Any = None, **changes: Any) -> Generator:
    return Generator(model or make_model(kind), make_tokenizer(), settings(**changes))


def openings(lengths: Sequence[int] = (9, 3, 14, 7, 1), head: int = 40) -> list[Opening]:
    """Prompts that begin alike."""
    drawn = torch.Generator().manual_seed(head)
    start = torch.randint(2, WORDS, (head,), generator=drawn).tolist()
    return [
        Opening(start + torch.randint(2, WORDS, (n,), generator=drawn).tolist(), seed)
        for seed, n in enumerate(lengths)
    ]


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model and its tokenizer in a folder."""
    folder = tmp_path_factory.mktemp("models") / "noise"
    make_model().save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_batch_says_what_each_prompt_alone_would(kind, temperature):
    model, asked = make_model(kind), openings()
    writer = make_writer(model=model, temperature=temperature)
    together = writer.write(asked)
    assert writer.prefix.is_used == (kind in KEEPS_A_START)
    for opening, found in zip(asked, together, strict=True):
        alone = make_writer(model=model, temperature=temperature)
        assert alone.write([opening]) == [found]
        assert not alone.prefix.open([opening.ids])[0]
    assert len({found.text for found in together}) == len(asked)
    assert {(found.tokens, found.ended) for found in together} == {(TOKENS, False)}


def test_the_start_that_is_kept_changes_when_the_prompts_do():
    model, writer = make_model(), make_writer()
    first, second = openings(), openings((5, 8, 2), head=60)
    shorter = [Opening(one.ids[:20] + second[0].ids, one.seed) for one in first]
    for asked in (first, second, shorter, first[:1], first, openings((30, 30), head=0)):
        plain = make_writer(model=model)
        plain.prefix.is_used = False
        assert writer.write(asked) == plain.write(asked)
    assert writer.prefix.open([one.ids for one in first])[0] == 40
    assert writer.prefix.open([one.ids for one in openings((30, 30), head=0)])[0] == 0


def test_samples_differ_and_come_again():
    writer, asked = make_writer(temperature=1.0), openings()
    others = [replace(one, seed=one.seed + 100) for one in asked]
    again = writer.write(asked)
    assert writer.write(asked) == again
    assert all(a.text != b.text for a, b in zip(again, writer.write(others), strict=True))


def test_draws_follow_the_models_chances():
    """Of 2,000 draws of one token, each as often as softmax(logits / T) says."""
    model, ids = make_model(), openings((4,))[0].ids
    writer = make_writer(model=model, temperature=2.0, max_tokens=1)
    found = [w.text for w in writer.write([Opening(ids, seed) for seed in range(2000)])]
    with torch.no_grad():
        chances = (model(torch.tensor([ids])).logits[0, -1] / 2.0).softmax(dim=-1)
    for token in chances.topk(3).indices.tolist():
        share = found.count(f"w{token}") / 2000
        assert share == pytest.approx(chances[token].item(), abs=0.04)


def test_a_reply_ends_before_a_stop_text():
    asked = openings()
    whole = make_writer().write(asked)
    words = whole[2].text.split()
    mark = f"{words[4]} {words[5]}"
    found = make_writer(stop=[mark, ""]).write(asked)
    assert found[2] == Written(" ".join(words[:4]) + " ", 6, ended=True)
    others = [i for i, one in enumerate(whole) if mark not in one.text]
    assert len(others) >= 3
    assert [found[i] for i in others] == [whole[i] for i in others]


def test_a_reply_ends_with_the_models_own_end():
    asked = openings()
    whole = make_writer().write(asked)
    words = whole[0].text.split()
    model = make_model()
    model.generation_config.eos_token_id = [int(words[3][1:]), 0]
    found = make_writer(model=model).write(asked)
    assert (found[0].tokens, found[0].ended) == (words.index(words[3]) + 1, True)
    assert found[0].text.split() == words[: found[0].tokens]


def test_where_memory_is_short_batches_get_smaller(monkeypatch, caplog):
    asked, writer = openings(), make_writer(batch_size=5)
    whole = make_writer().write(asked)
    generate = writer._model.generate
    sizes: list[int] = []

    def short(input_ids: torch.Tensor, **given: Any) -> Any:
        sizes.append(len(input_ids))
        if len(input_ids) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return generate(input_ids=input_ids, **given)

    monkeypatch.setattr(writer._model, "generate", short)
    with caplog.at_level(logging.WARNING):
        assert writer.write(asked) == whole
        assert writer.write(asked[:2]) == whole[:2]
    assert (sizes, writer.batch_size) == ([5, 3, 2, 1, 2, 2], 2)
    assert [record.getMessage() for record in caplog.records] == [
        "out of memory: teacher 'noise' goes on with 3 prompts at a time",
        "out of memory: teacher 'noise' goes on with 2 prompts at a time",
    ]


def test_no_memory_for_one_prompt_is_an_error(monkeypatch):
    def none(**given: Any) -> Any:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 9 bytes")

    writer = make_writer()
    monkeypatch.setattr(writer._model, "generate", none)
    with pytest.raises(TeacherError) as caught:
        writer.write(openings())
    assert str(caught.value) == (
        "there is no memory for one prompt of 49 tokens; take a smaller teacher.model, or lower "
        "teacher.max_tokens"
    )


def prompts(count: int) -> list[Prompt]:
    return [Prompt(str(i), PromptPrefix(()), "w2 w3 " * (i * 7 % 30)) for i in range(count)]


async def ask_all(teacher: LocalTeacher, asked: Sequence[Prompt]) -> list[Reply]:
    async with teacher:
        return await asyncio.gather(*(teacher.ask(prompt) for prompt in asked))


def test_batches_are_of_like_lengths(noise: Path, monkeypatch):
    batches: list[list[int]] = []
    write = Generator.write

    def look(self: Generator, asked: Sequence[Opening]) -> list[Written]:
        batches.append([len(one.ids) for one in asked])
        return write(self, asked)

    monkeypatch.setattr(Generator, "write", look)
    teacher = LocalTeacher(settings(batch_size=8, max_tokens=2), str(noise))
    replies = asyncio.run(ask_all(teacher, prompts(30)))
    assert [len(batch) for batch in batches] == [8, 8, 8, 6]
    lengths = [length for batch in batches for length in batch]
    assert lengths == sorted(lengths, reverse=True)
    assert teacher.concurrency == AHEAD * 8
    said = [reply.said for reply in replies]
    assert sorted(one.input_tokens for one in said) == sorted(lengths)
    assert {(one.output_tokens, one.finish_reason, one.model) for one in said} == {
        (2, "length", "noise")
    }
    assert all(reply.seconds for reply in replies)


def test_the_model_is_kept_until_it_is_released(noise: Path, monkeypatch):
    teacher = LocalTeacher(settings(max_tokens=1), str(noise))
    first = asyncio.run(ask_all(teacher, prompts(2)))
    with monkeypatch.context() as broken:
        broken.setattr("distilwhy.teachers.local.generate.AutoModelForCausalLM", None)
        again = asyncio.run(ask_all(teacher, prompts(2)))
        assert [reply.said for reply in again] == [reply.said for reply in first]
        assert teacher._writer is not None
        model = weakref.ref(teacher._writer._model)
        teacher.release()
        assert model() is None
        with pytest.raises(TeacherError, match="cannot be loaded"):
            asyncio.run(ask_all(teacher, prompts(2)))


def test_what_is_broken_off_ends_at_the_next_token(noise: Path, monkeypatch):
    begun, written = asyncio.Event(), []
    write = Generator.write

    def look(self: Generator, asked: Sequence[Opening]) -> list[Written]:
        loop.call_soon_threadsafe(begun.set)
        written.extend(write(self, asked))
        return written

    async def break_off() -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        asking = asyncio.create_task(ask_all(teacher, prompts(1)))
        await begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    loop: Any = None
    monkeypatch.setattr(Generator, "write", look)
    monkeypatch.setattr("distilwhy.teachers.local.generate._context", lambda shape: None)
    teacher = LocalTeacher(settings(max_tokens=20_000), str(noise))
    asyncio.run(break_off())
    assert len(written) == 1
    assert written[0].tokens < 20_000


@pytest.fixture
def write_local(write_experiment, tmp_path: Path, noise: Path):
    """Writes an experiment whose teacher is a tiny random model beside it."""
    shutil.copytree(noise, tmp_path / "noise")

    def write(changes: dict[str, object] | None = None, **rows: Any) -> Path:
        teacher: dict[str, object] = {"kind": "local", "model": "noise", "max_tokens": 8}
        teacher |= {"gate": {"rows": 0}, "batch_size": 4}
        return write_experiment({"teacher": teacher, **(changes or {})}, **rows)

    return write


def test_annotating_accounts_for_every_row(write_local):
    path = write_local()
    planned = plan(open_experiment(path)).estimate
    assert planned is not None
    assert planned.source == "counted by the tokenizer of noise"
    ran = CliRunner().invoke(app, ["annotate", str(path)])
    assert (ran.exit_code, ran.exception) == (0, None)
    experiment = open_experiment(path)
    tallies = read_outcomes(experiment)
    assert {name: (tally.rows, tally.asked) for name, tally in tallies.items()} == {
        "train": (6, 6),
        "validation": (2, 2),
        "test": (4, 4),
    }
    assert sum(tally.outcomes["truncated"] for tally in tallies.values()) == 12
    with open_ledger(experiment.folder.ledger) as ledger:
        kept = list(ledger.entries(call.key for call in all_calls(experiment)))
    assert planned.input.low == sum(entry.completion.input_tokens or 0 for entry in kept)
    assert all(entry.completion.output_tokens == 8 and entry.seconds for entry in kept)
    again = annotate(open_experiment(path))
    assert (again.from_ledger, again.answered, again.failed) == (12, 0, 0)


def test_the_gate_stands_before_it_too(write_local):
    path = write_local({"teacher.gate": {"rows": 4}})
    with pytest.raises(TeacherError, match="only 0 of the first 4 answers can be read"):
        annotate(open_experiment(path))
    found = plan(open_experiment(path))
    assert (found.answered, found.calls) == (4, 12)


def test_a_prompt_that_is_too_long_fails_alone(write_local):
    rows = [{"id": "long", "message": "swing " * 300, "kind": "damage"}]
    rows += [{"id": f"a{i}", "message": f"Message {i}", "kind": "damage"} for i in range(7)]
    experiment = open_experiment(write_local(train=rows))
    progress = annotate(experiment)
    assert (progress.answered, progress.failed) == (11, 1)
    said = read_annotations(experiment)["long"]
    assert (said.outcome, said.problem) == (
        "failed",
        "its prompt of 318 tokens and teacher.max_tokens 8 are more than the 256 that noise sees; "
        "lower it, or show fewer exemplars",
    )


def test_samples_are_put_to_the_vote(write_local):
    path = write_local({"teacher.samples": 3, "teacher.temperature": 1.0})
    experiment = open_experiment(path)
    assert annotate(experiment).answered == 36
    with open_ledger(experiment.folder.ledger) as ledger:
        found = ledger.get(call.key for call in all_calls(experiment))
    assert len({completion.text for completion in found.values()}) == 36


def test_another_model_in_the_same_folder_is_another_teacher(noise: Path, tmp_path: Path):
    prompt = prompts(1)[0]

    def request(folder: Path = noise, **changes: Any) -> object:
        return LocalTeacher(settings(**changes), str(folder)).request(prompt)

    moved = tmp_path / "moved"
    shutil.copytree(noise, moved)
    (moved / "README.md").write_text("about it")
    assert request(moved) == request() == request(batch_size=3)
    others = [request(temperature=0.5), request(max_tokens=3), request(stop=["x"])]
    weights = moved / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-3] ^= 1
    weights.write_bytes(content)
    others += [request(moved), request(tmp_path / "not-there")]
    assert len({json.dumps(one) for one in [request(), *others]}) == 6


def test_large_files_are_told_apart_without_reading_all_of_them(tmp_path: Path, monkeypatch):
    from distilwhy.teachers.local import fingerprint

    monkeypatch.setattr(fingerprint, "_BLOCK", 8)
    monkeypatch.setattr(fingerprint, "_BLOCKS", 4)
    file = tmp_path / "model.safetensors"

    def told(content: bytes) -> str:
        file.write_bytes(content)
        return fingerprint.read_fingerprint(tmp_path)

    plain = told(bytes(100))
    assert told(bytes(101)) != plain
    assert all(told(bytes(at) + b"x" + bytes(99 - at)) != plain for at in (0, 7, 31, 92, 99))
    assert told(bytes(15) + b"x" + bytes(84)) == plain


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teacher.budget": 3.0},
         "teacher: kind 'local' costs nothing, so it takes no budget; remove it"),
        ({"teacher.samples": 2}, "teacher.samples: 2: at temperature 0 all samples are the same; "
         "set teacher.temperature, for example to 0.7"),
        ({"teacher.concurrency": 2}, "teacher.concurrency: unknown key 'concurrency'; it must be "
         "one of "),
        ({"teacher.batch_size": 0}, "teacher.batch_size: 0: input should be greater than 0"),
        ({"teacher.model": "./nowhere"}, "teacher.model: './nowhere' is no folder; check the path "
         "(it is relative to the experiment)"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_teacher(write_local, changes, message):
    path = write_local(changes)
    with pytest.raises(ConfigError) as caught:
        plan(open_experiment(path))
    assert str(caught.value).startswith(f"{path}: {message}")


def test_a_budget_is_refused_on_the_command_line_too(write_local):
    path = write_local()
    ran = CliRunner().invoke(app, ["annotate", str(path), "--budget", "2"])
    assert isinstance(ran.exception, ConfigError)
    assert str(ran.exception) == (
        f"{path}: teacher.kind 'local' bills nobody, so there is no budget to keep; leave --budget "
        "out"
    )


def break_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"broken")


def make_t5(folder: Path) -> None:
    shape = {"model_type": "t5", "is_encoder_decoder": True}
    (folder / "config.json").write_text(json.dumps(shape))


def make_bert(folder: Path) -> None:
    shape = {"model_type": "bert", "architectures": ["BertForMaskedLM"]}
    (folder / "config.json").write_text(json.dumps(shape))


def drop_tokenizer(folder: Path) -> None:
    for file in folder.glob("tokenizer*"):
        file.unlink()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (break_weights, "teacher.model 'noise' cannot be loaded (Error while deserializing header"),
        (make_t5, "teacher.model 'noise' is a t5, which does not go on with a text; name a causal "
         "language model, such as a Llama or a Qwen"),
        (make_bert, "teacher.model 'noise' is a bert, which does not go on with a text; "),
        (drop_tokenizer, "teacher.model: '"),
    ],
)  # fmt: skip
def test_a_folder_that_holds_no_teacher(write_local, tmp_path, change, message):
    path = write_local()
    change(tmp_path / "noise")
    with pytest.raises(DistilwhyError) as caught:
        annotate(open_experiment(path))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_opening_an_experiment_loads_no_torch(write_local):
    script = (
        "import sys, distilwhy.pipeline.annotate.run; from distilwhy.pipeline.experiment import *;"
        "from distilwhy.pipeline.annotate.calls import open_calls;"
        f"experiment = open_experiment({str(write_local())!r});"
        "list(open_calls(experiment).all_answer_calls(experiment.to_annotate));"
        "print([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_the_model_in_a_folder_is_the_one_that_is_asked(noise: Path):
    writer = open_generator(str(noise), make_tokenizer(), settings())
    assert writer.write(openings()) == make_writer().write(openings())
    assert (writer.context, writer.batch_size) == (256, 16)
