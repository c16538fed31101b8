"""Mistakes in a local teacher's section, and folders without a usable model."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from distilwhy.cli.app import app
from distilwhy.errors import ConfigError, DistilwhyError
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.plan import plan


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
def test_a_mistake_in_the_teacher_section_is_named(write_local, changes, message):
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
def test_a_folder_without_a_usable_model_is_refused(write_local, tmp_path, change, message):
    path = write_local()
    change(tmp_path / "noise")
    with pytest.raises(DistilwhyError) as caught:
        annotate(open_experiment(path))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
