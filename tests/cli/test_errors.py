"""Every mistake in an experiment or its rows is found before any call, and said in one line."""

import asyncio

import pytest
import yaml

import distilwhy
from commands import without_line
from conftest import DROP, TEST, TRAIN
from distilwhy.core.prompt import Prompt, PromptPrefix
from distilwhy.errors import ConfigError, DataError, DistilwhyError, TeacherError
from distilwhy.pipeline.annotate.teacher import open_teacher
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.plan import plan
from distilwhy.teachers.http import HttpTeacher

METHODS = ", ".join(distilwhy.METHODS)
EITHER = (
    "a choice needs either 'labels', the fixed ones, or 'options', the field with the row's own"
)
NO_KEY = "never write a key here; name its environment variable in api_key_env"
A_NAME = "must be the NAME of an environment variable, in capitals, never the key itself"
MISSING = "no such file; check the path"
UNREAD = "cannot be read (No such file or directory); check the path"
OPTIONS = {"task.answer": {"kind": "choice", "options": "opts"}, "task.exemplars": []}
WHICH = "its options, 'opts', must be a list of two or more; found"
OUTSIDE = "in 'kind' is outside the answer space; it must be"
SAME = "at temperature 0 all samples are the same; set teacher.temperature, for example to 0.7"
RECORDED = {"kind": "recorded", "completions": ["said.jsonl"]}
COMPLETION = "must have 'id' and either 'completion' or 'rationale' and 'label'; mend the row"
EXEMPLAR = {"message": "m", "kind": "damage", "rationale": "r"}
WITHOUT_GOLD = [{"id": row["id"], "message": row["message"]} for row in TRAIN]


def complain(path: object) -> DistilwhyError:
    with pytest.raises(DistilwhyError) as caught:
        plan(open_experiment(path))
    assert "\n" not in str(caught.value)
    return caught.value


def test_the_experiment_that_the_others_spoil_is_sound(write_experiment):
    found = plan(open_experiment(write_experiment()))
    assert found.rows == {"train": 6, "validation": 2, "test": 4}
    assert found.warnings == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": []}, "method: unknown key 'method'; did you mean 'methods'?"),
        ({"data.tst": "x"}, "data.tst: unknown key 'tst'; did you mean 'test'?"),
        ({"data.train": {"hub": "x", "split": "y", "nam": "z"}},
         "data.train.nam: unknown key 'nam'; did you mean 'name'?"),
        ({"task.inputs": "x"}, "task.inputs: unknown key 'inputs'; did you mean 'input'?"),
        ({"study": {"students": {"scratch": {"scrach": {}}}}},
         "study.students.scratch.scrach: unknown key 'scrach'; did you mean 'scratch'?"),
        ({"study": {"students": {"small": {"scratch": {"widht": 9}}}}},
         "study.students.small.scratch.widht: unknown key 'widht'; did you mean 'width'?"),
        ({"study": {"students": {"small": {"scratch": {"width": 0}}}}},
         "study.students.small.scratch.width: 0: input should be greater than 0"),
        ({"study": {"students": {"small": 64}}},
         "study.students.small: 64: must hold keys and values"),
        ({"study": {"students": ["small"]}},
         "study.students: ['small']: must hold keys and values"),
        ({"study": {"students": {"Big One": {"scratch": {"width": 9}}}}},
         "study.students: 'Big One' cannot name a folder; use lower-case letters and "
         "digits, separated by '-', '_' or '.', such as 'minilm'"),
        ({"study": {"students": {64: {"scratch": {"width": 64}}}}},
         "study.students: 64 cannot name a folder; use lower-case letters and digits, "
         "separated by '-', '_' or '.', such as 'minilm'"),
        ({"study": {"students": {"main": {"scratch": {"width": 9}}}}},
         "study.students: 'main' names the student of the 'student' section; choose another name"),
        ({"study": {"students": {"same": {"model": "scratch"}}}},
         "study: students 'same' is the same as 'student' itself; change a setting or remove it"),
        ({"study": {"students": {n: {"family": "encoder"} for n in ("one", "two")}}},
         "study: students 'two' is the same as 'one'; change a setting or remove it"),
        ({"study": {"students": {"bert": {"model": "./bert"}}}},
         "study.students.bert.model: './bert' is no folder; check the path (it is relative to the "
         "experiment)"),
        ({"task.answer.lables": []},
         "task.answer.lables: unknown key 'lables'; did you mean 'labels'?"),
        ({"task.str": 1}, "task.str: unknown key 'str'; it must be one of answer, exemplars, gold, "
         "id, input, instruction"),
        ({"teacher.modle": "x"}, "teacher.modle: unknown key 'modle'; did you mean 'model'?"),
        ({"student": {"scratch": {"widht": 9}}},
         "student.scratch.widht: unknown key 'widht'; did you mean 'width'?"),
        ({"training": {"zz": 1}}, "training.zz: unknown key 'zz'; it must be one of accumulate, "
         "agreement, batch_size, evaluate_every, fresh_lr_factor, gradient_checkpointing, lr, "
         "patience, precision, rationale_weight, report_to, several_rationales, soft_labels, "
         "steps, two_passes, warmup, weight_decay, weighting, wrong_rationales"),
        ({"training": {"lr": []}}, "training.lr: must name at least one learning rate"),
        ({"training": {"lr": [1e-3, 0.0]}},
         "training.lr: a learning rate must be above 0 and below 100, not 0.0"),
        ({"training": {"lr": [1e-3, 1e-3]}}, "training.lr: 0.001 is listed twice; list each once"),
        ({"training": {"wrong_rationales": "explain"}},
         "training.wrong_rationales is 'explain', and the teacher is not asked for explanations; "
         "set teacher.explain_wrong to true"),
        ({"methods": ["rationale-input"], "teacher.annotate": ["train", "test"]},
         "method 'rationale-input' reads the teacher's rationale with every input, and "
         "teacher.annotate leaves out 'validation' or 'test'; add them"),
        ({"study": {"train_rows": [0.5, 1]}},
         "study.train_rows: 1: must be a share above 0.0 and at most 1.0, or a number of rows, 2 "
         "or more"),
        ({"task": DROP}, "task: is missing; add it"),
        ({"task.input": DROP}, "task.input: is missing; add it"),
        ({"task.answer.kind": DROP}, "task.answer.kind: is missing; add it"),
        ({"data.train": DROP}, "data.train: is missing; add it"),
        ({"data.train": {"hub": "x"}}, "data.train.split: is missing; add it"),
        ({"teacher": DROP}, "teacher: is missing; add it"),
        ({"teacher.model": DROP}, "teacher.model: is missing; add it"),
        ({"teacher.kind": DROP},
         "teacher.kind: must be one of chat, completion, anthropic, gemini, local, recorded"),
        ({"teacher.kind": "openai"},
         "teacher.kind: 'openai': must be one of chat, completion, anthropic, gemini, local, "
         "recorded"),
        ({"task": 5}, "task: 5: must hold keys and values"),
        ({"teacher": [1]}, "teacher: [1]: must hold keys and values"),
        ({"data.train": 5}, "data.train: 5: input should be a valid string; put it in quotes"),
        ({"training": {"steps": "many"}},
         "training.steps: 'many': input should be a valid integer"),
        ({"training": {"steps": 0}}, "training.steps: 0: input should be greater than 0"),
        ({"teacher.temperature": -1},
         "teacher.temperature: -1: input should be greater than or equal to 0"),
        ({"task.answer.kind": "multi"}, "task.answer.kind: 'multi': input should be 'choice', "
         "'number', 'equation' or 'text'"),
        ({"task.answer.labels": [True, False]},
         "task.answer.labels.0: True: input should be a valid string; put it in quotes"),
        ({"teacher.annotate": ["dev"]},
         "teacher.annotate.0: 'dev': input should be 'train', 'validation' or 'test'"),
        ({"data.validation": 0}, "data.validation: 0: a share of train must be between 0 and 1"),
        ({"data.validation": 1.5},
         "data.validation: 1.5: a share of train must be between 0 and 1"),
        ({"methods": []}, "methods: list should have at least 1 item, not 0"),
        ({"methods": ["step-by-stp"]},
         "methods: unknown method 'step-by-stp'; did you mean 'step-by-step'?"),
        ({"methods": ["zzz"]}, f"methods: unknown method 'zzz'; it must be one of {METHODS}"),
        ({"methods": ["finetune", "finetune"]},
         "methods: 'finetune' is listed twice; list each once"),
        ({"seeds": [0, -1]}, "seeds.1: -1: input should be greater than or equal to 0"),
        ({"seeds": [2**31]}, "seeds.0: 2147483648: input should be less than 2147483648"),
        ({"seeds": [1, 1]}, "seeds: 1 is listed twice; list each once"),
        ({"teacher.annotate": ["train", "train"]},
         "teacher.annotate: 'train' is listed twice; list each once"),
        ({"teacher.samples": 0}, "teacher.samples: 0: input should be greater than 0"),
        ({"teacher.samples": 3}, f"teacher.samples: 3: {SAME}"),
        ({"teacher.samples": 3, "teacher.temperature": 0}, f"teacher.samples: 3: {SAME}"),
        ({"teacher": {**RECORDED, "explain_wrong": True}}, "teacher.explain_wrong: True: needs "
         "recorded explanations; name their files in explanations"),
        ({"teacher.explanations": ["x"]},
         "teacher.explanations: unknown key 'explanations'; did you mean 'explain_wrong'?"),
        ({"teacher.base_url": "localhost:8000/v1"}, "teacher.base_url: 'localhost:8000/v1': must "
         "start with http:// or https://"),
        ({"task.answer.options": "opts"}, f"task.answer: {EITHER}"),
        ({"task.answer.labels": DROP}, f"task.answer: {EITHER}"),
        ({"task.answer.labels": ["a", "a"]},
         "task.answer.labels: must be two or more, each once; got ['a', 'a']"),
        ({"task.answer.labels": ["a"]},
         "task.answer.labels: must be two or more, each once; got ['a']"),
        ({"task.answer.kind": "number"},
         "task.answer: kind 'number' takes no 'labels' or 'options'"),
        ({"task.input": "{{ message }"}, "task input, line 1: unexpected '}'; mend the template"),
        ({"student": {"model": "./nowhere"}},
         "student.model: './nowhere' is no folder; check the path (it is relative to the "
         "experiment)"),
        ({"teacher.annotate": ["test"]}, "method 'step-by-step' learns from the teacher, and "
         "teacher.annotate leaves out 'train'; add it there"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_experiment_file(write_experiment, changes, message):
    path = write_experiment(changes)
    error = complain(path)
    assert isinstance(error, ConfigError)
    assert without_line(error) == f"{path}: {message}"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teacher.api_key": "sk-s3cret"}, f"teacher.api_key: {NO_KEY}"),
        ({"api_key": "sk-s3cret"}, f"api_key: {NO_KEY}"),
        ({"teacher.apikey": "sk-s3cret"},
         "teacher.apikey: unknown key 'apikey'; did you mean 'api_key_env'?"),
        ({"teacher.api_key_env": "sk-s3cret"}, f"teacher.api_key_env: {A_NAME}"),
        ({"teacher.api_key_env": "hf_s3cret"}, f"teacher.api_key_env: {A_NAME}"),
        ({"teacher.extra": {"api_key": "sk-s3cret"}}, "teacher.extra: must not contain 'api_key'; "
         "name its environment variable in api_key_env"),
        ({"teacher.base_url": "https://me:s3cret@host/v1"}, "teacher.base_url: must not contain a "
         "user name or password; name a key in api_key_env"),
    ],
)  # fmt: skip
def test_a_key_written_down_is_refused_and_not_repeated(write_experiment, changes, message):
    path = write_experiment(changes)
    error = complain(path)
    assert without_line(error) == f"{path}: {message}"
    assert "s3cret" not in repr(error)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task: [\n", " line 2: is not valid YAML (expected the node content, but found "
         "'<stream end>'); correct it"),
        ("a: b: c\n", " line 1: is not valid YAML (mapping values are not allowed here); "
         "correct it"),
        ("task: t.yaml\nseeds: [0]\ntask: u.yaml\n", " line 3: is not valid YAML (the key 'task' "
         "is given twice); correct it"),
        ("", ": must hold keys and values, such as 'input:'"),
        ("- a\n- b\n", ": must hold keys and values, such as 'input:'"),
    ],
)  # fmt: skip
def test_broken_yaml(tmp_path, text, message):
    path = tmp_path / "exp.yaml"
    path.write_text(text, encoding="utf-8")
    error = complain(path)
    assert isinstance(error, ConfigError)
    assert str(error) == f"{path}{message}"


def test_an_experiment_file_that_is_not_there(tmp_path):
    assert str(complain(tmp_path / "exp.yaml")) == f"{tmp_path / 'exp.yaml'}: {UNREAD}"
    assert str(complain(tmp_path)) == (
        f"{tmp_path}: cannot be read (Is a directory); check the path"
    )


def test_an_experiment_file_that_is_no_text(tmp_path):
    (tmp_path / "exp.yaml").write_bytes(b"instruction: caf\xe9\n")
    assert str(complain(tmp_path / "exp.yaml")) == (
        f"{tmp_path / 'exp.yaml'}: is not UTF-8 text; save it as UTF-8"
    )


def test_a_number_in_scientific_notation_is_a_number(write_experiment):
    path = write_experiment()
    path.write_text(path.read_text() + "training: {lr: 5e-5}\n")
    assert open_experiment(path).config.training.lr == 5e-5


@pytest.mark.parametrize(
    ("changes", "file", "message"),
    [
        ({"task": "task.yaml"}, "task.yaml", f": {UNREAD}"),
        ({"task.exemplars": "ex.yaml"}, "ex.yaml", f": {UNREAD}"),
        ({"task.exemplars": "ex.jsonl"}, "ex.jsonl", f": {MISSING}"),
        ({"data.train": "rows.jsonl"}, "rows.jsonl", f": {MISSING}"),
        ({"data.validation": "rows.jsonl"}, "rows.jsonl", f": {MISSING}"),
        ({"data.test": "rows.jsonl"}, "rows.jsonl", f": {MISSING}"),
        ({"data.train": "exp.yaml"}, "exp.yaml",
         ": unknown format '.yaml'; use .jsonl, .csv or .parquet"),
        ({"task.input": "{{ mesage }}"}, "exp.yaml", ": exemplar 1: the input template cannot be "
         "filled ('mesage' is undefined); the row's fields are kind, message, rationale"),
        ({"task.input": "{{ mesage }}", "task.exemplars": []}, "train.jsonl", " row 1: the input "
         "template cannot be filled ('mesage' is undefined); the row's fields are id, kind, "
         "message"),
        ({"task.exemplars": [{**EXEMPLAR, "rationale": " "}]}, "exp.yaml",
         ": exemplar 1: an exemplar needs a 'rationale'; write its reasons there"),
        ({"task.exemplars": [EXEMPLAR, {"message": "m", "rationale": "r"}]}, "exp.yaml",
         ": exemplar 2: an exemplar needs its answer in 'kind'; write it there"),
        ({"task.gold": DROP}, "exp.yaml", ": exemplar 1: an exemplar needs its answer; name its "
         "field in the task's 'gold' (rows may be without it)"),
        ({"task.exemplars": [{**EXEMPLAR, "kind": "harm"}]}, "exp.yaml", ": exemplar 1: gold label "
         f"'harm' {OUTSIDE} one of damage, question, praise"),
        (OPTIONS, "train.jsonl", f" row 1: {WHICH} None"),
    ],
)  # fmt: skip
def test_a_file_or_a_field_that_is_not_there(write_experiment, changes, file, message):
    path = write_experiment(changes)
    assert str(complain(path)) == f"{path.parent / file}{message}"


def test_exemplars_in_a_file_of_their_own(write_experiment, tmp_path):
    path = write_experiment({"task.exemplars": "ex.yaml"})
    exemplars = tmp_path / "ex.yaml"
    exemplars.write_text(yaml.safe_dump([EXEMPLAR]))
    assert open_experiment(path).task.exemplars[0].rationale == "r"
    exemplars.write_text("a: [\n")
    assert str(complain(path)).startswith(f"{exemplars} line 2: is not valid YAML (")
    exemplars.write_text("a: 1\n")
    assert str(complain(path)) == (
        f"{exemplars}: must be a list of exemplars, each with its fields"
    )


def row(**changes: object) -> dict[str, object]:
    return {**TRAIN[1], **changes}


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ("", ": has no rows; give it some"),
        ("\n\n", ": has no rows; give it some"),
        (TRAIN[:1], ": one row cannot be split into train and validation; give it more"),
        ('{"id": 1, "message": "x"\n',
         " row 1: is no JSON (Expecting ',' delimiter); mend the line"),
        ('{"id": 1, "message": "x"}\n"x"\n',
         " row 2: is str, not an object with fields; mend the line"),
        ([TRAIN[0], row(message=" ")],
         " row 2: its input is empty; fill its fields or leave the row out"),
        ([TRAIN[0], {"id": "b"}], " row 2: the input template cannot be filled ('message' is "
         "undefined); the row's fields are id"),
        ([TRAIN[0], TRAIN[1], row(id="a0")],
         " row 3: id 'a0' already stands in row 1; give each row its own id"),
        ([TRAIN[0], row(kind="wine")],
         f" row 2: gold label 'wine' {OUTSIDE} one of damage, question, praise"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_train_rows(write_experiment, train, message):
    path = write_experiment(train=train)
    error = complain(path)
    assert isinstance(error, DataError)
    assert str(error) == f"{path.parent / 'train.jsonl'}{message}"


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ([{**TEST[0], "id": "a3"}],
         ": id 'a3' is used twice (in validation and in test); give each row its own id"),
        ([{**TEST[0], "message": "MESSAGE  3."}],
         ": test row 't0' is also in validation, as 'a3'; remove it from one of them"),
        ([{**TEST[0], "message": "Message 0."}],
         ": test row 't0' is also in train, as 'a0'; remove it from one of them"),
        ([TEST[0], {"id": "t9", "message": "m"}], ": test row 't9' has no gold label (field "
         "'kind'); a score needs one on every test row, so write it there"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_test_rows(write_experiment, test, message):
    path = write_experiment(test=test)
    error = complain(path)
    assert isinstance(error, DataError)
    assert str(error) == f"{path.parent / 'test.jsonl'}{message}"


@pytest.mark.parametrize("options", ["park, mall", '{"a": 1}', ["park"], 5])
def test_options_that_are_no_list(write_experiment, options):
    path = write_experiment(OPTIONS, train=[row(opts=options)])
    assert str(complain(path)) == f"{path.parent / 'train.jsonl'} row 1: {WHICH} {options!r}"


@pytest.mark.parametrize(("kind", "gold"), [("number", "many"), ("equation", "2 +")])
def test_gold_that_is_of_another_kind(write_experiment, kind, gold):
    path = write_experiment(
        {"task.answer": {"kind": kind}, "task.exemplars": []}, train=[row(kind=gold)]
    )
    assert str(complain(path)) == (
        f"{path.parent / 'train.jsonl'} row 1: gold label {gold!r} {OUTSIDE} of kind {kind}"
    )


def test_a_method_that_needs_gold_where_there_is_none(write_experiment):
    path = write_experiment(train=WITHOUT_GOLD)
    assert str(complain(path)) == (
        f"{path}: method 'finetune' learns gold labels, and no train row has one; give rows their "
        "gold label, or take it out of 'methods'"
    )


def test_nothing_to_choose_a_checkpoint_by(write_experiment):
    changes = {"methods": ["step-by-step"], "teacher.annotate": ["train"]}
    path = write_experiment(changes, train=WITHOUT_GOLD)
    assert str(complain(path)) == (
        f"{path}: no validation row has a gold label to choose a checkpoint by, and "
        "teacher.annotate leaves out 'validation'; add it there, or give rows their gold label"
    )


def test_a_test_split_without_a_gold_field(write_experiment):
    changes = {"task.gold": DROP, "task.exemplars": [], "methods": ["label-distill"]}
    path = write_experiment(changes)
    assert str(complain(path)) == (
        f"{path.parent / 'test.jsonl'}: test row 't0' has no gold label (the task names no 'gold' "
        "field); a score needs one on every test row, so write it there"
    )


@pytest.mark.parametrize(
    ("completions", "message"),
    [
        (None, f": {UNREAD}"),
        ("nonsense\n", " row 1: is no JSON (Expecting value); mend the line"),
        ('{"id": "a0"}\n', f" row 1: {COMPLETION}"),
        ('{"id": "a0", "label": "damage"}\n', f" row 1: {COMPLETION}"),
        ('{"completion": "x"}\n', " row 1: has no 'id'; give it that of its row"),
        ("[" * 100_000, " row 1: is no JSON (maximum recursion depth exceeded while decoding a "
         "JSON array from a unicode string); mend the line"),
        ('{"id": "a0", "rationale": 5, "label": "x"}\n', " row 1: its 'rationale' is no text: 5"),
        ('{"id": "a0", "completion": 5}\n', " row 1: its 'completion' is no text: 5"),
        ('{"id": "a0", "completion": "x"}\n\n{"id": "a0", "completion": "y"}\n',
         " row 3: id 'a0' has a line already; set teacher.samples to use more"),
    ],
)  # fmt: skip
def test_recorded_completions_that_cannot_be_read(write_experiment, tmp_path, completions, message):
    if completions is not None:
        (tmp_path / "said.jsonl").write_text(completions)
    path = write_experiment({"teacher": RECORDED})
    error = complain(path)
    assert isinstance(error, TeacherError)
    assert str(error) == f"{tmp_path / 'said.jsonl'}{message}"


def test_more_recorded_lines_than_are_wanted(write_experiment, tmp_path):
    said = [f'{{"id": "a0", "completion": "{i}"}}\n' for i in range(3)]
    (tmp_path / "said.jsonl").write_text("".join(said))
    (tmp_path / "why.jsonl").write_text("".join(said[:2]))
    path = write_experiment({"teacher": {**RECORDED, "samples": 2}})
    assert str(complain(path)) == (
        f"{tmp_path / 'said.jsonl'} row 3: id 'a0' has 2 lines already; set teacher.samples to use "
        "more"
    )
    path = write_experiment({"teacher": {**RECORDED, "samples": 3, "explanations": ["why.jsonl"]}})
    error = complain(path)
    assert isinstance(error, TeacherError)
    assert str(error) == (
        f"{tmp_path / 'why.jsonl'} row 2: id 'a0' has a line already; keep one of them"
    )


def test_nothing_to_explain_is_said(write_experiment):
    said = ["no annotated train row has a gold label: teacher.explain_wrong does nothing"]
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
def test_a_key_that_is_not_in_the_environment(write_experiment, monkeypatch, value, message):
    """A plan needs no key, and says that one will be needed; asking stops before any call."""
    monkeypatch.delenv("MY_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("MY_KEY", value)
    experiment = open_experiment(write_experiment({"teacher.api_key_env": "MY_KEY"}))
    warned = ["$MY_KEY is not set: export your key under that name to annotate"]
    assert plan(experiment).warnings == ([] if value else warned)

    async def ask() -> None:
        async with open_teacher(experiment) as teacher:
            await teacher.ask(Prompt("a0", PromptPrefix(()), "hello"))

    assert isinstance(open_teacher(experiment), HttpTeacher)
    with pytest.raises(ConfigError) as caught:
        asyncio.run(ask())
    assert str(caught.value) == f"teacher.api_key_env: {message}"


def test_another_address_is_checked_too(write_experiment):
    path = write_experiment()
    with pytest.raises(ConfigError) as caught:
        open_experiment(path, base_url="localhost")
    assert str(caught.value) == (
        f"{path}: teacher: base_url: 'localhost': must start with http:// or https://"
    )
    opened = open_experiment(path, base_url="http://127.0.0.1:1/v1/")
    assert opened.config.teacher.base_url == "http://127.0.0.1:1/v1"
