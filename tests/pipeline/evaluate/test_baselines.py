"""Trivial baselines beside trained students."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from annotating import training_jobs
from causal import save_llama
from conftest import KINDS, WriteExperiment
from distilwhy.core.method import Target, TrainingRow
from distilwhy.core.student_id import StudentId
from distilwhy.core.task import Example
from distilwhy.pipeline.evaluate import baselines
from distilwhy.pipeline.evaluate.baselines import (
    MOST_ASKED,
    answer_majority,
    answer_tf_idf,
    answer_untrained,
)
from distilwhy.pipeline.evaluate.run import evaluate
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.run import run
from distilwhy.pipeline.train.jobs import TrainingJob
from distilwhy.store.results import read_results
from encoders import pretrained as save_encoder
from pretrained import save_bert, save_pretrained
from studies import STUDENT, TRAINING

WORDS = dict(zip(KINDS, ("swing broke", "where when", "lovely thanks"), strict=True))


def texts(count: int, first: int = 0) -> list[dict[str, str]]:
    """Rows whose words tell their label; most are damage."""
    kinds = [KINDS[max(0, i % 5 - 2)] for i in range(first, first + count)]
    return [
        {"id": f"r{i}", "message": f"{WORDS[kind]} number {i}", "kind": kind}
        for i, kind in enumerate(kinds, first)
    ]


@pytest.fixture
def job(write_experiment: WriteExperiment) -> TrainingJob:
    file = write_experiment(train=texts(40), test=texts(20, 100))
    return training_jobs(open_experiment(file)).of(StudentId("finetune", 0))


def asked(count: int, options: tuple[str, ...] = ()) -> list[Example]:
    return [Example(row["id"], row["message"], options, row["kind"]) for row in texts(count, 100)]


def test_the_majority_label_is_that_of_the_train_rows(job: TrainingJob):
    assert answer_majority(job, asked(3)) == ["damage"] * 3


def test_with_options_of_their_own_rows_get_the_most_frequent_position(job: TrainingJob):
    rows = [
        TrainingRow("x", (Target("label", label),), ("a", "b", "c")) for label in ("b", "c", "b")
    ]
    own = replace(job, rows=rows)
    test = [Example("1", "x", ("p", "q", "r")), Example("2", "y", ("s",))]
    assert answer_majority(own, test) == ["q", None]


def test_tf_idf_learns_which_words_tell_a_label(job: TrainingJob):
    assert answer_tf_idf(job, asked(10)) == [example.gold for example in asked(10)]


def test_tf_idf_needs_fixed_labels(job: TrainingJob):
    task = replace(job.task, answer=replace(job.task.answer, labels=()))
    assert answer_tf_idf(replace(job, task=task), asked(2)) is None


def test_tf_idf_needs_words(job: TrainingJob):
    rows = [replace(row, source="!? …") for row in job.rows]
    assert answer_tf_idf(replace(job, rows=rows), asked(2)) is None


def test_tf_idf_reads_scripts_without_spaces(job: TrainingJob):
    """Each kind has a character of its own."""
    signs = dict(zip(KINDS, ("坏了", "哪里", "可爱"), strict=True))
    rows = [replace(row, source=f"秋千{signs[row.targets[0].text]}。") for row in job.rows]
    validation = [replace(e, text=f"秋千{signs[e.gold or '']}。") for e in job.validation]
    test = [replace(e, text=f"我说，{signs[e.gold or '']}") for e in asked(10)]
    answers = answer_tf_idf(replace(job, rows=rows, validation=validation), test)
    assert answers == [example.gold for example in test]


def test_one_label_alone_needs_no_fit(job: TrainingJob):
    rows = [row for row in job.rows if row.targets[0].text == "damage"]
    assert answer_tf_idf(replace(job, rows=rows), asked(2)) == ["damage", "damage"]


def test_tf_idf_learns_a_bounded_number_of_rows(job: TrainingJob, monkeypatch: pytest.MonkeyPatch):
    fitted: list[int] = []
    fit = baselines._fit

    def count(rows: list[str], labels: list[str], strength: float) -> object:
        fitted.append(len(rows))
        return fit(rows, labels, strength)

    monkeypatch.setattr(baselines, "_fit", count)
    monkeypatch.setattr(baselines, "MOST_TRAIN_ROWS", 12)
    answers = answer_tf_idf(job, asked(10))
    assert set(fitted) == {12}
    assert answers == answer_tf_idf(job, asked(10))


def with_model(job: TrainingJob, folder: Path, **settings: object) -> TrainingJob:
    student = job.student.model_copy(update={"model": str(folder), **settings})
    return replace(job, student=student, model=str(folder))


def test_an_untrained_pretrained_student_is_asked_a_bounded_number_of_rows(
    job: TrainingJob, tmp_path: Path
):
    made = with_model(job, save_pretrained("t5", tmp_path / "t5"))
    answers = answer_untrained(made, asked(MOST_ASKED + 5))
    assert answers is not None
    assert len(answers) == MOST_ASKED
    assert set(answers) <= set(KINDS)


def test_an_untrained_encoder_chooses_among_a_row_s_own_options(job: TrainingJob, tmp_path: Path):
    task = replace(job.task, answer=replace(job.task.answer, labels=()))
    made = replace(with_model(job, save_encoder("bert", tmp_path / "bert")), task=task)
    answers = answer_untrained(made, asked(3, KINDS))
    assert answers is not None
    assert set(answers) <= set(KINDS)


def test_an_untrained_decoder_writes_its_label_since_a_head_knows_nothing_yet(
    job: TrainingJob, tmp_path: Path
):
    folder = save_llama(tmp_path / "llama")
    written = answer_untrained(with_model(job, folder), asked(3))
    assert written is not None
    assert answer_untrained(with_model(job, folder, label_head=True), asked(3)) == written


def test_a_student_that_answers_with_random_weights_is_not_asked(job: TrainingJob, tmp_path: Path):
    """From scratch; with a new head for fixed labels; with a new decoder."""
    assert answer_untrained(job, asked(3)) is None
    bert = save_bert(tmp_path / "bert")
    assert answer_untrained(with_model(job, bert), asked(3)) is None
    assert answer_untrained(with_model(job, bert, family="seq2seq"), asked(3)) is None


def test_a_model_that_does_not_fit_on_the_gpu_is_left_out(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(baselines, "_ask_untrained", fail)
    assert answer_untrained(with_model(job, tmp_path), asked(3)) is None


def test_a_model_that_is_gone_is_left_out(job: TrainingJob, tmp_path: Path):
    assert answer_untrained(with_model(job, tmp_path / "gone"), asked(3)) is None


# --- scored


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two methods with two seeds on half of 40 rows and on all; the teacher is always wrong."""
    folder = tmp_path_factory.mktemp("baselines")
    rows, test = texts(40), texts(20, 100)
    for name, content in (("train", rows), ("test", test)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in content))
    said = [
        {"id": row["id"], "completion": "It says so. So the answer is praise."}
        for row in (*rows, *test)
    ]
    (folder / "said.jsonl").write_text("".join(json.dumps(one) + "\n" for one in said))
    (folder / "exp.yaml").write_text(json.dumps({
        "task": {"instruction": "Sort it.", "input": "{{ message }}", "gold": "kind",
                 "answer": {"kind": "choice", "labels": list(KINDS)}},
        "data": {"train": "train.jsonl", "validation": 0.25, "test": "test.jsonl"},
        "teacher": {"kind": "recorded", "completions": ["said.jsonl"]},
        "student": STUDENT, "training": TRAINING, "study": {"train_rows": [0.5, 1.0]},
        "methods": ["finetune", "step-by-step"], "seeds": [0, 1], "out": "run",
    }))  # fmt: skip
    run(open_experiment(folder / "exp.yaml"), study=True, workers=1)
    return folder / "exp.yaml"


def test_baselines_learn_the_labels_of_the_students_beside_them(scored: Path):
    results = read_results(open_experiment(scored).folder)
    found = {(one.name, one.rows): one.score.accuracy for one in results.baselines}
    half = next(m.rows for m in results.methods if m.rows is not None)
    assert found["majority-label-gold", None] == 0.6
    assert found["tf-idf-gold", None] == 1.0
    assert found["majority-label", None] == found["tf-idf", None] == 0.2, "all praise"
    assert found["tf-idf-gold", half] > 0.6
    assert len(found) == 8
    against = {(one.method, one.baseline) for one in results.against_baselines}
    assert against == {
        ("finetune", "majority-label-gold"), ("finetune", "tf-idf-gold"),
        ("step-by-step", "majority-label"), ("step-by-step", "tf-idf"),
    }  # fmt: skip
    assert all(one.comparison.seeds == 2 for one in results.against_baselines)


def test_a_student_that_does_not_beat_a_baseline_is_said_not_to(scored: Path):
    """Two steps teach nothing."""
    results = read_results(open_experiment(scored).folder)
    worse = [one for one in results.against_baselines if one.baseline == "tf-idf-gold"]
    assert all(not one.comparison.is_ahead for one in worse)
    page = open_experiment(scored).folder.page.read_text()
    assert "Against trivial baselines, on all 30 train rows" in page
    assert " beat " in results.headline.splitlines()[0]
    kept = json.loads(open_experiment(scored).folder.results.read_text())
    assert kept["against_baselines"][0]["words"]


def test_baselines_are_fitted_once_and_again_when_students_change(
    scored: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = open_experiment(scored).folder
    before = folder.results.read_bytes()

    def fail(*_: Any) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr(baselines, "_fit", fail)
    evaluate(open_experiment(scored))
    assert folder.results.read_bytes() == before
    kept = next((folder.path / "baselines").glob("tf-idf-gold-finetune-seed0.json"))
    kept.write_text("{ broken")
    with pytest.raises(AssertionError, match="fitted again"):
        evaluate(open_experiment(scored))
    monkeypatch.undo()
    evaluate(open_experiment(scored))
    assert folder.results.read_bytes() == before


def test_results_without_baselines_can_be_read(scored: Path):
    """As older versions wrote them."""
    folder = open_experiment(scored).folder
    whole = folder.results.read_text()
    older = json.loads(whole)
    for name in ("baselines", "against_baselines", "against_teacher"):
        del older[name]
    for one in older["comparisons"]:
        del one["comparison"]["seeds"]
    folder.results.write_text(json.dumps(older))
    found = read_results(folder)
    folder.results.write_text(whole)
    assert (found.baselines, found.against_teacher) == ((), ())
    assert {one.comparison.seeds for one in found.comparisons} == {2}
