"""A mistake in the experiment file is found before any call, and reported on one line."""

import pytest

import distilwhy
from conftest import DROP
from distilwhy.errors import ConfigError
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.plan import plan
from error_of import error_of, without_line

METHODS = ", ".join(distilwhy.METHODS)
EITHER = (
    "a choice needs either 'labels', the fixed ones, or 'options', the field with the row's own"
)
NO_KEY = "never write a key here; name its environment variable in api_key_env"
A_NAME = "must be the NAME of an environment variable, in capitals, never the key itself"
UNREAD = "cannot be read (No such file or directory); check the path"
SAME = "at temperature 0 all samples are the same; set teacher.temperature, for example to 0.7"
RECORDED = {"kind": "recorded", "completions": ["said.jsonl"]}


def test_the_experiment_that_these_tests_change_is_valid(write_experiment):
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
         "study.students.bert.model: './bert' is not a folder; check the path (it is relative to "
         "the experiment)"),
        ({"task.answer.lables": []},
         "task.answer.lables: unknown key 'lables'; did you mean 'labels'?"),
        ({"task.str": 1}, "task.str: unknown key 'str'; it must be one of answer, exemplars, gold, "
         "id, input, instruction"),
        ({"teacher.modle": "x"}, "teacher.modle: unknown key 'modle'; did you mean 'model'?"),
        ({"student": {"scratch": {"widht": 9}}},
         "student.scratch.widht: unknown key 'widht'; did you mean 'width'?"),
        ({"training": {"zz": 1}}, "training.zz: unknown key 'zz'; it must be one of accumulate, "
         "agreement, batch_size, evaluate_every, fresh_lr_factor, gradient_checkpointing, lr, "
         "patience, precision, rationale_gate, rationale_share, rationale_weight, report_to, "
         "select_rationale, several_rationales, soft_labels, steps, two_passes, warmup, "
         "weight_decay, weighting, wrong_rationales"),
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
        ({"task.input": "{{ message }"},
         "task input, line 1: unexpected '}'; correct the template"),
        ({"student": {"model": "./nowhere"}},
         "student.model: './nowhere' is not a folder; check the path (it is relative to the "
         "experiment)"),
        ({"teacher.annotate": ["test"]}, "method 'step-by-step' learns from the teacher, and "
         "teacher.annotate leaves out 'train'; add it there"),
    ],
)  # fmt: skip
def test_an_invalid_config_names_the_key_and_the_remedy(write_experiment, changes, message):
    path = write_experiment(changes)
    error = error_of(path)
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
         "key or a password; name its environment variable in api_key_env"),
    ],
)  # fmt: skip
def test_an_api_key_in_the_config_is_refused_and_not_printed(write_experiment, changes, message):
    path = write_experiment(changes)
    error = error_of(path)
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
def test_invalid_yaml_names_its_line(tmp_path, text, message):
    path = tmp_path / "exp.yaml"
    path.write_text(text, encoding="utf-8")
    error = error_of(path)
    assert isinstance(error, ConfigError)
    assert str(error) == f"{path}{message}"


def test_a_missing_experiment_file_is_named(tmp_path):
    assert str(error_of(tmp_path / "exp.yaml")) == f"{tmp_path / 'exp.yaml'}: {UNREAD}"
    assert str(error_of(tmp_path)) == (
        f"{tmp_path}: cannot be read (Is a directory); check the path"
    )


def test_an_experiment_file_must_be_utf_8(tmp_path):
    (tmp_path / "exp.yaml").write_bytes(b"instruction: caf\xe9\n")
    assert str(error_of(tmp_path / "exp.yaml")) == (
        f"{tmp_path / 'exp.yaml'}: is not UTF-8 text; save it as UTF-8"
    )


def test_scientific_notation_is_a_number(write_experiment):
    path = write_experiment()
    path.write_text(path.read_text() + "training: {lr: 5e-5}\n")
    assert open_experiment(path).config.training.lr == 5e-5


def test_another_base_url_is_validated_too(write_experiment):
    path = write_experiment()
    with pytest.raises(ConfigError) as caught:
        open_experiment(path, base_url="localhost")
    assert str(caught.value) == (
        f"{path}: teacher: base_url: 'localhost': must start with http:// or https://"
    )
    opened = open_experiment(path, base_url="http://127.0.0.1:1/v1/")
    assert opened.config.teacher.base_url == "http://127.0.0.1:1/v1"
