"""A mistake in the teacher's files or key is reported on one line."""

import asyncio

import pytest

from conftest import TRAIN
from distilwhy.core.prompt import Prompt, PromptPrefix
from distilwhy.errors import ConfigError, TeacherError
from distilwhy.pipeline.annotate.calls import open_teacher
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.plan import plan
from distilwhy.teachers.http import HttpTeacher
from error_of import error_of

UNREAD = "cannot be read (No such file or directory); check the path"
RECORDED = {"kind": "recorded", "completions": ["said.jsonl"]}
COMPLETION = "must have 'id' and either 'completion' or 'rationale' and 'label'"
NAME_THEM = ": fix the row, or name them in teacher.id and teacher.completion"
WITHOUT_GOLD = [{"id": row["id"], "message": row["message"]} for row in TRAIN]


@pytest.mark.parametrize(
    ("completions", "message"),
    [
        (None, f": {UNREAD}"),
        ("nonsense\n", " row 1: is not JSON (expected ident at column 2); correct the line"),
        ('{"id": "a0"}\n', f" row 1: {COMPLETION}; its fields are id{NAME_THEM}"),
        ('{"id": "a0", "label": "damage"}\n',
         f" row 1: {COMPLETION}; its fields are id, label{NAME_THEM}"),
        ('{"completion": "x"}\n', f" row 1: has no 'id'; its fields are completion{NAME_THEM}"),
        ("[" * 100_000, " row 1: is not JSON (recursion limit exceeded at column 202); correct "
         "the line"),
        ('{"id": "a0", "rationale": 5, "label": "x"}\n', " row 1: 'rationale' must be text, not 5"),
        ('{"id": "a0", "completion": 5}\n', " row 1: 'completion' must be text, not 5"),
        ('{"id": "a0", "completion": "x"}\n\n{"id": "a0", "completion": "y"}\n',
         " row 3: id 'a0' already has a line; set teacher.samples to use more"),
    ],
)  # fmt: skip
def test_an_invalid_line_of_recorded_completions_is_named(
    write_experiment, tmp_path, completions, message
):
    if completions is not None:
        (tmp_path / "said.jsonl").write_text(completions)
    path = write_experiment({"teacher": RECORDED})
    error = error_of(path)
    assert isinstance(error, TeacherError)
    assert str(error) == f"{tmp_path / 'said.jsonl'}{message}"


def test_more_recorded_lines_than_samples_are_refused(write_experiment, tmp_path):
    said = [f'{{"id": "a0", "completion": "{i}"}}\n' for i in range(3)]
    (tmp_path / "said.jsonl").write_text("".join(said))
    (tmp_path / "why.jsonl").write_text("".join(said[:2]))
    path = write_experiment({"teacher": {**RECORDED, "samples": 2}})
    assert str(error_of(path)) == (
        f"{tmp_path / 'said.jsonl'} row 3: id 'a0' already has 2 lines; set teacher.samples to use "
        "more"
    )
    path = write_experiment({"teacher": {**RECORDED, "samples": 3, "explanations": ["why.jsonl"]}})
    error = error_of(path)
    assert isinstance(error, TeacherError)
    assert str(error) == (
        f"{tmp_path / 'why.jsonl'} row 2: id 'a0' already has a line; keep one of them"
    )


def test_the_plan_warns_that_no_row_can_be_explained(write_experiment):
    said = ["no annotated train row has a gold label, so teacher.explain_wrong has no effect"]
    asked = {"teacher.explain_wrong": True, "methods": ["label-distill"]}
    assert plan(open_experiment(write_experiment(asked))).warnings == []
    assert plan(open_experiment(write_experiment(asked, train=WITHOUT_GOLD))).warnings == said
    asked = {**asked, "methods": ["finetune"], "teacher.annotate": ["validation"]}
    assert plan(open_experiment(write_experiment(asked))).warnings == said


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "$MY_KEY is not set; export your key under that name"),
        ("  ", "$MY_KEY is not set; export your key under that name"),
        ("sk-s3cret\nsk-other", "$MY_KEY holds more than a key; export your key alone"),
    ],
)
def test_a_plan_needs_no_api_key_but_a_call_does(write_experiment, monkeypatch, value, message):
    """A plan needs no key, and says that one will be needed; asking stops before any call."""
    monkeypatch.delenv("MY_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("MY_KEY", value)
    experiment = open_experiment(write_experiment({"teacher.api_key_env": "MY_KEY"}))
    warned = ["$MY_KEY is not set; export your key under that name to annotate"]
    assert plan(experiment).warnings == ([] if value else warned)

    async def ask() -> None:
        async with open_teacher(experiment) as teacher:
            await teacher.ask(Prompt("a0", PromptPrefix(()), "hello"))

    assert isinstance(open_teacher(experiment), HttpTeacher)
    with pytest.raises(ConfigError) as caught:
        asyncio.run(ask())
    assert str(caught.value) == f"teacher.api_key_env: {message}"
