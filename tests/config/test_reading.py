"""Experiment files: how YAML is read, and the line that an error names."""

from pathlib import Path

import pytest

from distilwhy.config import ExperimentConfig, read_config, read_yaml
from distilwhy.errors import ConfigError

EXPERIMENT = """\
task:
  input: "{{ x }}"
  answer:
    kind: choice
    labels: [Yes, No]
data: {train: a.jsonl}
teacher:
  kind: chat
  base_url: http://x/v1
  model: m
training: {lr: 5e-5}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "exp.yaml"


def test_labels_such_as_no_need_no_quotes(file: Path):
    file.write_text(EXPERIMENT)
    config = read_config(file, ExperimentConfig)
    assert config.task.answer.labels == ["Yes", "No"]  # type: ignore[union-attr]
    assert config.training.lr == 5e-5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("On", "On"), ("true", True), ("False", False), ("~", None), ("''", ""),
        ("12", 12), ("10_000", 10_000), ("-3", -3), ("010", "010"), ("1:30", "1:30"),
        ("2026-01-31", "2026-01-31"), ("1.5", 1.5), (".5", 0.5), ("1e-4", 1e-4), ("-2.E3", -2000.0),
        ("1.2.3", "1.2.3"), ("[1, a]", [1, "a"]),
    ],
)  # fmt: skip
def test_plain_values_are_read_by_the_core_schema_of_yaml_1_2(file: Path, text: str, value: object):
    file.write_text(f"x: {text}\n")
    found = read_yaml(file)
    assert found == {"x": value}
    assert type(found["x"]) is type(value)  # type: ignore[index]


def test_merge_keys_are_supported(file: Path):
    file.write_text("a: &a {x: 1, y: 1}\nb: {<<: *a, y: 2}\n")
    assert read_yaml(file) == {"a": {"x": 1, "y": 1}, "b": {"x": 1, "y": 2}}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  model:", "  modle:", " line 10: teacher.modle: unknown key 'modle'; did you mean "
         "'model'?"),
        ("  model: m\n", "", " line 7: teacher.model: is missing; add it"),
        ("data: {train: a.jsonl}\n", "", ": data: is missing; add it"),
        ("[Yes, No]", "\n    - Yes\n    - true\n", " line 7: task.answer.labels.1: True: input "
         "should be a valid string; put it in quotes"),
        ("model: m", "model: m\n  structured: yes", " line 11: teacher.structured: 'yes': input "
         "should be 'auto', True or False"),
        ("model: m", "model: m\n  explain_wrong: yes", " line 11: teacher.explain_wrong: 'yes': "
         "input should be a valid boolean; write true or false"),
        ("{lr: 5e-5}", "{lr: [5e-5, 0.0]}", " line 11: training.lr: a learning rate must be above "
         "0 and below 100, not 0.0"),
    ],
)  # fmt: skip
def test_an_error_names_the_line_of_its_key(file: Path, old: str, new: str, message: str):
    assert old in EXPERIMENT
    file.write_text(EXPERIMENT.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        read_config(file, ExperimentConfig)
    assert str(caught.value) == f"{file}{message}"
