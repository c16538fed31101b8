"""Several students, numbers of train rows and seeds."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from annotating import training_jobs
from commands import call
from conftest import WriteExperiment
from distilwhy.cli.app import app
from distilwhy.core.student_id import StudentId
from distilwhy.errors import RunError, StudentError
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.evaluate.run import evaluate
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.status import status
from distilwhy.pipeline.train.run import train_students
from distilwhy.store.files import read_json
from distilwhy.students.student import Student
from studies import PAIR, ROWS, STUDENT, list_written, open_study, training_of

HALF, ALL = 30, None

# --- several numbers of train rows


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """Two methods with two seeds on half the rows and on all; the file, and what was said."""
    with open_study(
        tmp_path_factory.mktemp("study"), study={"train_rows": [0.5, 1.0]}, seeds=[0, 1]
    ) as file:
        return file, call("compare", file)


def test_compare_trains_every_method_seed_and_number_of_rows(compared: tuple[Path, Result]):
    file, said = compared
    assert "8 to train" in said.stderr
    students = [StudentId(m, seed, rows) for m in PAIR for seed in (0, 1) for rows in (HALF, ALL)]
    found = {path.name for path in (file.parent / "run/students").iterdir()}
    assert found == {student_id.name for student_id in students}
    for student_id in students:
        summary = training_of(file, student_id)
        assert (summary["method"], summary["seed"]) == (student_id.method, student_id.seed)
        assert (summary["rows"] <= HALF) == (student_id.rows == HALF)
    assert training_of(file, StudentId("finetune", 0, HALF))["rows"] == HALF
    assert training_of(file, StudentId("finetune", 0))["rows"] == ROWS["train"]


def test_results_have_every_method_on_every_number_of_rows(compared: tuple[Path, Result]):
    file, said = compared
    results = read_json(file.parent / "run/results.json") or {}
    found = {(m["method"], m["rows"]): m for m in results["methods"]}
    assert set(found) == {(m, rows) for m in PAIR for rows in (HALF, ALL)}
    for method in found.values():
        assert [student["seed"] for student in method["students"]] == [0, 1]
        assert method["score"]["seeds"] == 2
    assert {(v["method"], v["baseline"], v["rows"]) for v in results["comparisons"]} == {
        ("step-by-step", "finetune", HALF),
        ("step-by-step", "finetune", ALL),
    }
    tables = said.stdout.split("Test accuracy, ")[1:]
    assert [table.split(" train rows")[0] for table in tables] == ["30", "all"]
    for table in tables:
        assert all(name in table for name in ("teacher", *PAIR))
        assert "step-by-step against finetune: " in table


def test_a_second_compare_trains_nothing_and_prints_the_same(compared: tuple[Path, Result]):
    file, said = compared
    before = list_written(file)
    again = call("compare", file)
    assert "Already trained: 8 of 8 students" in again.stderr
    assert "to train" not in again.stderr
    assert list_written(file) == before
    assert again.stdout == said.stdout


def test_run_uses_the_students_that_compare_trained_on_all_rows(compared: tuple[Path, Result]):
    file, _ = compared
    before = list_written(file)
    again = call("run", file)
    assert "Already trained: 4 of 4 students" in again.stderr
    assert "30 rows" not in again.stderr
    assert "to train" not in again.stderr
    assert list_written(file) == before


def test_methods_with_the_same_seed_train_on_the_same_rows(compared: tuple[Path, Result]):
    jobs = training_jobs(open_experiment(compared[0]))

    def sources(method: str, seed: int, rows: int | None = HALF) -> set[str]:
        return {row.source for row in jobs.of(StudentId(method, seed, rows)).rows}

    assert sources("step-by-step", 0) <= sources("finetune", 0) < sources("finetune", 0, ALL)
    assert sources("finetune", 0) != sources("finetune", 1)
    assert sources("finetune", 0, ALL) == sources("finetune", 1, ALL)


def test_headline_and_bill_are_about_the_most_rows_that_were_trained_on(
    compared: tuple[Path, Result],
):
    file = compared[0]
    experiment = open_experiment(file)
    few = file.with_name("few.yaml")
    settings = yaml.safe_load(file.read_text()) | {
        "study": {"train_rows": [20, HALF]},
        "out": "few",
    }
    few.write_text(yaml.safe_dump(settings))
    shutil.copytree(experiment.folder.path, file.parent / "few")
    for name in PAIR:
        for seed in (0, 1):
            shutil.rmtree(file.parent / "few/students" / StudentId(name, seed).name)
    results = evaluate(open_experiment(few))
    about_student, about_rationales = results.headline.splitlines()
    assert about_student.startswith("Trained on 30 rows, ")
    assert about_rationales.startswith("Trained on 30 rows: against fine-tuning on gold labels, no")
    taught = training_of(file, StudentId(results.bill.method, 0, HALF))
    assert results.bill.usage.training_seconds == taught["seconds"]


@pytest.fixture
def edited(compared: tuple[Path, Result], tmp_path: Path) -> Path:
    """The same study, with another learning rate in its file than its students were trained
    with."""
    shutil.copytree(compared[0].parent, tmp_path / "study")
    file = tmp_path / "study" / "experiment.yaml"
    config = yaml.safe_load(file.read_text())
    config["training"]["lr"] = 0.5
    file.write_text(yaml.safe_dump(config))
    return file


def test_students_that_are_out_of_date_are_not_scored(edited: Path):
    with pytest.raises(RunError, match=r"no student is trained yet \(8 out of date\); run 'train'"):
        evaluate(open_experiment(edited))
    states = {one.state for one in status(open_experiment(edited)).students}
    assert states == {"out of date"}
    train_students(open_experiment(edited), "finetune")
    said = call("evaluate", edited).stdout
    assert "Left out as out of date: 6 trained students. The" in said
    results = read_json(edited.parent / "run/results.json") or {}
    assert [(m["method"], m["rows"]) for m in results["methods"]] == [("finetune", None)]
    page = (edited.parent / "run/report/report.html").read_text()
    assert "Left out as out of date: 6 trained students" in page
    found = {one.method: one.state for one in status(open_experiment(edited)).students}
    assert found == {"finetune": "trained", "step-by-step": "out of date"}


# --- several students


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """``train`` for one student; then ``compare`` with one of another family beside it, on half the
    rows and on all."""
    with open_study(tmp_path_factory.mktemp("students")) as file:
        annotate(open_experiment(file))
        train_students(open_experiment(file))
        study = {"train_rows": [0.5, 1.0], "students": BERT}
        file.write_text(file.read_text() + yaml.safe_dump({"study": study}))
        return file, call("compare", file)


BERT = {"bert": {"family": "encoder", "scratch": {"width": 32}, "decoder_layers": 1}}

NAMED = [StudentId(m, 0, rows, s) for s in ("", "bert") for rows in (HALF, ALL) for m in PAIR]


def test_compare_trains_every_student_of_the_study_and_keeps_those_trained_before(
    named: tuple[Path, Result],
):
    file, said = named
    assert "Already trained: 2 of 8 students" in said.stderr
    assert "6 to train" in said.stderr
    found = {path.name for path in (file.parent / "run/students").iterdir()}
    assert found == {student_id.name for student_id in NAMED}
    assert "bert-step-by-step-n30-seed0" in found
    for student_id in NAMED:
        student = Student.load(file.parent / "run/students" / student_id.name, "cpu")
        assert student.network.family == ("encoder" if student_id.student else "seq2seq")
        shape = student.spec.config.scratch
        assert (shape.width, shape.layers) == ((32 if student_id.student else 16), 1)


def test_results_list_each_student_of_the_study_by_name(named: tuple[Path, Result]):
    file, said = named
    results = read_json(file.parent / "run/results.json") or {}
    found = {(m["student"], m["method"], m["rows"]) for m in results["methods"]}
    assert found == {
        (student_id.student, student_id.method, student_id.rows) for student_id in NAMED
    }
    assert {(v["student"], v["rows"]) for v in results["comparisons"]} == {
        (student, rows) for student in ("", "bert") for rows in (HALF, ALL)
    }
    assert [(c["student"], c["method"]) for c in results["curves"]] == [
        (student, method) for student in ("", "bert") for method in PAIR
    ]
    assert "This is about the student main; bert may differ." in results["headline"]
    titles = [line for line in said.stdout.splitlines() if line.startswith("Test accuracy")]
    assert [title.strip() for title in titles] == [
        f"Test accuracy of {student}, {rows} train rows"
        for student in ("main", "bert")
        for rows in (30, "all")
    ]
    beside = said.stdout.split("Students side by side, all 60 train rows")[1].splitlines()
    rows = [line.split()[:2] for line in beside if " MB " in line]
    assert sorted(rows) == sorted([s, m] for s in ("main", "bert") for m in PAIR)
    page = (file.parent / "run/report/report.html").read_text()
    assert "bert, on all 60 train rows" in page
    assert (file.parent / "run/report/curve-bert.csv").is_file()


def test_cases_and_confusions_are_those_of_the_first_student(named: tuple[Path, Result]):
    file, _ = named
    kept = read_json(file.parent / "run/predictions/finetune-seed0.json") or {}
    first = {row["example_id"]: row["label"] for row in kept["predictions"]}
    lines = (file.parent / "run/cases.jsonl").read_text().splitlines()
    cases = [json.loads(line) for line in lines]
    assert {case["id"]: case["answers"]["finetune"] for case in cases} == first
    results = read_json(file.parent / "run/results.json") or {}
    assert [confusion["method"] for confusion in results["confusions"]] == PAIR
    asked = (file.parent / "run/predictions").glob("*.explained.json")
    assert [path.name for path in asked] == ["step-by-step-seed0.explained.json"]


def test_only_a_missing_student_is_trained_again(named: tuple[Path, Result]):
    file, _ = named
    before = list_written(file)
    gone = "bert-finetune-n30-seed0"
    shutil.rmtree(file.parent / "run/students" / gone)
    planned = CliRunner().invoke(app, ["plan", str(file)]).stdout
    lines = [" ".join(line.split()) for line in planned.splitlines()]
    assert any(line.startswith("train 2 students") for line in lines)
    assert "compare 8 students (main, bert; train rows 0.5, 1.0): 1 to train" in lines
    train_students(open_experiment(file), study=True)
    after = list_written(file)
    trained = {p for p in before if gone in p and not p.endswith("deploy.json")}
    assert {p for p in after if after[p] != before.get(p)} == trained, "deploy.json is evaluate's"
    assert "Already trained: 2 of 2 students" in call("train", file).stderr


def test_status_lists_students_by_name(named: tuple[Path, Result]):
    file, _ = named
    said = CliRunner().invoke(app, ["status", str(file)]).stdout.split("Students")[1]
    lines = [line.split()[:3] for line in said.splitlines() if line.rstrip().endswith("%")]
    assert lines == [[s, m, "0"] for s in ("main", "bert") for m in PAIR]


def test_an_error_about_a_student_of_the_study_names_it(write_experiment: WriteExperiment):
    file = write_experiment(
        {
            "methods": ["finetune"],
            "student": STUDENT,
            "study": {"students": {"wide": {"scratch": {"width": 2**17}}}},
        }
    )
    with pytest.raises(StudentError, match=r"^study\.students\.wide: training takes about"):
        train_students(open_experiment(file), study=True)
