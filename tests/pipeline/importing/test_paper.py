"""The paper's own data becomes an experiment that runs.

The rows here are written for the test, in the layout of that repository.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from commands import call
from distilwhy.core.parsing.completion import Annotation
from distilwhy.errors import ConfigError, DataError
from distilwhy.pipeline.annotate.annotations import read_annotations, read_outcomes
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import Experiment, open_experiment
from distilwhy.pipeline.importing.paper import Imported, import_paper

Json = Mapping[str, object]


def cqa(number: int, answer: str = "tree") -> Json:
    return {
        "id": f"q{number}",
        "question": f"Where does bird {number} sleep?",
        "choices": ["tree", "oven", "sea", "tree", "car"],
        "answer": answer,
        "abstractive_explanation": "",
        "extractive_explanation": "",
    }


def said(why: str) -> str:
    return f"{why} So the answer is (a) tree.\n\nQ: And now?\nA: So the answer is (b) oven."


def write_rows(path: Path, rows: Sequence[Json]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_texts(path: Path, texts: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(texts))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """CommonsenseQA with twelve train rows, eleven of them answered in two files, and two test
    rows, of which train has one too."""
    folder = tmp_path / "datasets/cqa"
    write_rows(folder / "cqa_train.json", [cqa(i, "sofa" if i == 3 else "tree") for i in range(12)])
    write_rows(folder / "cqa_test.json", [cqa(40), {**cqa(5), "id": "q41"}])
    write_texts(folder / "llm/train_CoT_0.json", [said(f"Why {i}.") for i in range(10)])
    write_texts(folder / "llm/train_CoT_1.json", [said("Why 10.")])
    # The last is cut within a character.
    write_texts(folder / "llm/test_CoT_0.json", [said("Test."), "Who knows \ud83d"])
    return folder


def opened(found: Imported) -> Experiment:
    experiment = open_experiment(found.file)
    annotate(experiment)
    return experiment


def test_rows_and_answers_are_brought_together(source: Path, tmp_path: Path):
    found = import_paper(source, tmp_path / "mine")
    assert found.rows == {"train": 9, "test": 2}
    assert found.left_out == {
        "train rows without a label of the task": 1,
        "train rows that the teacher was not asked about": 1,
        "train rows that also stand in test": 1,
    }
    read = read_annotations(opened(found))
    assert read["q10"] == Annotation("q10", "ok", "Why 10.", "tree")
    assert read["q41"].outcome == "unparsed"
    assert set(read) == {f"q{i}" for i in (0, 1, 2, 4, 6, 7, 8, 9, 10, 40, 41)}
    tallies = read_outcomes(opened(found))
    assert {name: tally.rows for name, tally in tallies.items()} == {
        "train": 8,
        "validation": 1,
        "test": 2,
    }


def test_no_teacher_is_named_that_the_files_do_not_name(source: Path, tmp_path: Path):
    text = import_paper(source, tmp_path / "mine").file.read_text()
    assert "the answers in its cqa/llm" in text
    assert not re.search("(?i)palm|540", text)


def test_inference_with_rows_for_validation(tmp_path: Path):
    folder = tmp_path / "datasets/esnli"
    rows = [
        {"premise": f"A dog {i}.", "hypothesis": "It runs.", "label": i % 3, "explanation_1": "x"}
        for i in range(9)
    ]
    rows[7]["label"] = -1
    answer = "It may.\nAnswer: neutral\n\nPremise: B\nHypothesis: C\nAnswer: entailment"
    for split, part in (("train", rows[:4]), ("valid", rows[4:6]), ("test", rows[6:])):
        write_rows(folder / f"esnli_{split}.json", part)
        write_texts(folder / f"llm/{split}_CoT_0.json", [answer] * len(part))
    found = import_paper(folder, tmp_path / "mine")
    assert found.rows == {"train": 4, "validation": 2, "test": 2}
    assert found.left_out == {"test rows without a label of the task": 1}
    experiment = opened(found)
    assert experiment.splits.train[0].text == "Premise: A dog 0.\nHypothesis: It runs."
    assert [e.gold for e in experiment.splits.train] == [
        "entailment",
        "neutral",
        "contradiction",
        "entailment",
    ]
    read = read_annotations(experiment)
    assert read["esnli-train-1"] == Annotation("esnli-train-1", "ok", "It may.", "neutral")


@pytest.fixture
def arithmetic(tmp_path: Path) -> Path:
    """SVAMP with ASDiv beside it."""
    root = tmp_path / "datasets"
    for split, numbers in (("train", range(3)), ("test", range(10, 12))):
        rows = [{"input": f"Add {i} and 1.", "label": f"( {i}.0 + 1.0 )"} for i in numbers]
        write_rows(root / f"svamp/svamp_{split}.json", rows)
        texts = [f"Add. The answer is ({i} + 1).\n\nQ: x" for i in numbers]
        write_texts(root / f"svamp/llm/{split}_CoT_0.json", texts)
    more = [
        {"Body": "Two cats.", "Question": "Paws?", "Formula": "2*4=8", "Answer": "8 (paws)"},
        {"Body": "Two cats.", "Question": "Ratio?", "Formula": "1:2", "Answer": "1:2"},
    ]
    write_rows(root / "asdiv/asdiv_train.json", more)
    write_texts(root / "asdiv/llm/train_CoT_0.json", ["Four each. The answer is (2 * 4)."] * 2)
    return root


def test_equations_and_their_augmentation(arithmetic: Path, tmp_path: Path):
    assert import_paper(arithmetic / "svamp", tmp_path / "svamp").rows == {"train": 3, "test": 2}
    found = import_paper(arithmetic / "asdiv", tmp_path / "asdiv")
    assert found.rows == {"train": 4, "test": 2}
    assert found.left_out == {"train rows without a label of the task": 1}
    experiment = opened(found)
    read = read_annotations(experiment)["asdiv-train-1"]
    assert (read.label, read.rationale) == ("2 * 4", "Four each.")
    scores = [tally.score for tally in read_outcomes(experiment).values() if tally.score]
    assert [score.accuracy for score in scores] == [1.0, 1.0, 1.0]


def test_answers_of_the_other_teacher(source: Path, tmp_path: Path):
    texts = [f"Else {i}. So the answer is (c) sea." for i in range(12)]
    write_texts(source.parent / "gpt-neox/cqa/train.json", texts)
    found = import_paper(source, tmp_path / "mine", "gpt")
    config = yaml.safe_load(found.file.read_text())
    assert config["teacher"]["annotate"] == ["train", "validation"]
    assert "the answers in its gpt-neox/cqa" in found.file.read_text()
    assert read_annotations(opened(found))["q0"].label == "sea"


def test_what_was_written_is_told_and_trains_a_student(source: Path, tmp_path: Path):
    """A small one, in the place of the paper's."""
    shown = call("import", source, tmp_path / "mine").stdout
    assert shown.splitlines() == [
        "train      9 rows",
        "test       2 rows",
        "left out   train rows without a label of the task: 1",
        "left out   train rows that the teacher was not asked about: 1",
        "left out   train rows that also stand in test: 1",
        f"next: distilwhy plan {tmp_path}/mine/experiment.yaml",
    ]
    file = tmp_path / "mine/experiment.yaml"
    settings = yaml.safe_load(file.read_text())
    settings["student"] = {"scratch": {"width": 16, "layers": 1, "heads": 2, "feedforward": 16}}
    settings["training"] = {"steps": 2, "batch_size": 4, "evaluate_every": 2}
    settings["methods"] = ["step-by-step"]
    file.write_text(yaml.safe_dump(settings))
    assert "11 calls to the recorded completions" in call("plan", file).stdout
    call("annotate", file)
    assert "step-by-step seed 0: validation" in call("train", file).stderr


@pytest.mark.parametrize(
    ("broken", "content", "message"),
    [
        (
            "cqa_train.json",
            None,
            "cqa: holds none of cqa_train.json, svamp_train.json, asdiv_train",
        ),
        ("cqa_test.json", None, r"cqa_test\.json: cannot be read \(No such file"),
        (
            "llm/train_CoT_0.json",
            None,
            r"train_CoT_1\.json: is there, but train_CoT_0\.json before",
        ),
        ("llm/train_CoT_0.json", "[1]", r"train_CoT_0\.json item 1: is not text: 1; fetch"),
        ("llm/train_CoT_0.json", "{}", r"train_CoT_0\.json: must be a JSON list"),
        ("llm/train_CoT_0.json", "[", r"train_CoT_0\.json: is not valid JSON \(Expecting value\)"),
        ("cqa_test.json", '{"id": 1}\n{}\n', r"cqa_test\.json row 1: has no field 'question'"),
        ("cqa_test.json", "{}\n5\n", r"cqa_test\.json row 2: is not a JSON object"),
        ("cqa_test.json", "nope\n", r"cqa_test\.json row 1: is not valid JSON"),
        ("llm/test_CoT_1.json", '["a"]', r"cqa_test\.json: has 2 rows, and the teacher answered 3"),
    ],
)
def test_what_is_missing_or_broken_is_named(
    source: Path, tmp_path: Path, broken: str, content: str | None, message: str
):
    if content is None:
        (source / broken).unlink()
    else:
        (source / broken).write_text(content)
    with pytest.raises(DataError, match=message):
        import_paper(source, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_nothing_is_written_over(source: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match="is not empty; name a new folder"):
        import_paper(source, tmp_path)
    with pytest.raises(ConfigError, match=r"--llm 'claude': must be one of palm, gpt"):
        import_paper(source, tmp_path / "mine", "claude")
    missing = source.parent / "gpt-neox/cqa/train.json"
    with pytest.raises(
        DataError, match=f"{missing}: is missing; it holds the teacher's completions"
    ):
        import_paper(source, tmp_path / "mine", "gpt")
