"""Several students, numbers of train rows, seeds and learning rates; students that are told
the teacher's reasons; and what is done about reasons for wrong labels."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from click.testing import Result
from typer.testing import CliRunner

from conftest import DROP, WriteExperiment
from distilwhy.cli import app
from distilwhy.core.cell import Cell
from distilwhy.core.results import Prediction
from distilwhy.core.task import Example
from distilwhy.demo.helpdesk import solve
from distilwhy.demo.scripted import ScriptedTeacher
from distilwhy.errors import DataError, RunError, StudentError
from distilwhy.flows.annotate import annotate
from distilwhy.flows.evaluate import evaluate
from distilwhy.flows.experiment import open_experiment
from distilwhy.flows.lesson import Lessons
from distilwhy.flows.predict import predict
from distilwhy.flows.status import status
from distilwhy.flows.train import train_students
from distilwhy.store.run import publish_jsonl, read_json
from distilwhy.students.build import family_of
from distilwhy.students.student import Student
from distilwhy.students.training import Trained
from routing import write_routing

ROWS = {"train": 60, "validation": 12, "test": 12}
HALF, ALL = 30, None
STUDENT = {"scratch": {"width": 16, "layers": 1, "heads": 2, "feedforward": 16}}
TRAINING = {"steps": 2, "batch_size": 8}
PAIR = ["finetune", "step-by-step"]


def call(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [*map(str, arguments), "--workers", "1"])
    assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"
    return result


def training_of(file: Path, cell: Cell) -> dict[str, Any]:
    return read_json(file.parent / "run/students" / cell.name / "training.json") or {}


def list_written(file: Path) -> dict[str, int]:
    """When each file of each student was written."""
    students = file.parent / "run/students"
    return {str(path): path.stat().st_mtime_ns for path in students.rglob("*") if path.is_file()}


# --- several numbers of train rows


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """Two methods with two seeds on half the rows and on all; the file, and what was said."""
    with ScriptedTeacher() as teacher:
        file = write_routing(
            tmp_path_factory.mktemp("study"),
            ROWS,
            {"base_url": teacher.base_url},
            student=STUDENT,
            training=TRAINING,
            study={"train_rows": [0.5, 1.0]},
            methods=PAIR,
            seeds=[0, 1],
        )
        return file, call("compare", file)


def test_compare_trains_every_cell(compared: tuple[Path, Result]):
    file, said = compared
    assert "8 to train" in said.stderr
    cells = [Cell(m, seed, rows) for m in PAIR for seed in (0, 1) for rows in (HALF, ALL)]
    found = {path.name for path in (file.parent / "run/students").iterdir()}
    assert found == {cell.name for cell in cells}
    for cell in cells:
        summary = training_of(file, cell)
        assert (summary["method"], summary["seed"]) == (cell.method, cell.seed)
        assert (summary["rows"] <= HALF) == (cell.rows == HALF)
    assert training_of(file, Cell("finetune", 0, HALF))["rows"] == HALF
    assert training_of(file, Cell("finetune", 0))["rows"] == ROWS["train"]


def test_the_results_have_every_method_at_every_number_of_rows(compared: tuple[Path, Result]):
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


def test_a_second_compare_trains_nothing_and_asks_no_one(compared: tuple[Path, Result]):
    file, said = compared
    before = list_written(file)
    again = call("compare", file)
    assert "8 of 8 students are trained already" in again.stderr
    assert "to train" not in again.stderr
    assert list_written(file) == before
    assert again.stdout == said.stdout


def test_run_takes_the_students_on_all_rows(compared: tuple[Path, Result]):
    file, _ = compared
    before = list_written(file)
    again = call("run", file)
    assert "4 of 4 students are trained already" in again.stderr
    assert "30 rows" not in again.stderr
    assert "to train" not in again.stderr
    assert list_written(file) == before


def test_methods_with_one_seed_are_taught_the_same_rows(compared: tuple[Path, Result]):
    lessons = Lessons(open_experiment(compared[0]))

    def sources(method: str, seed: int, rows: int | None = HALF) -> set[str]:
        return {row.source for row in lessons.of(Cell(method, seed, rows)).rows}

    assert sources("step-by-step", 0) <= sources("finetune", 0) < sources("finetune", 0, ALL)
    assert sources("finetune", 0) != sources("finetune", 1)
    assert sources("finetune", 0, ALL) == sources("finetune", 1, ALL)


def test_a_study_on_fewer_rows_than_all_is_told_on_the_most(compared: tuple[Path, Result]):
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
            shutil.rmtree(file.parent / "few/students" / Cell(name, seed).name)
    findings = evaluate(open_experiment(few))
    assert findings.headline.startswith("Taught on 30 rows: against fine-tuning on gold labels, no")
    taught = training_of(file, Cell("step-by-step", 0, HALF))
    assert findings.bill.usage.training_seconds == taught["seconds"]


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


def test_students_out_of_date_are_not_scored(edited: Path):
    with pytest.raises(RunError, match=r"no student is trained yet \(8 out of date\); run 'train'"):
        evaluate(open_experiment(edited))
    states = {one.state for one in status(open_experiment(edited)).students}
    assert states == {"out of date"}
    train_students(open_experiment(edited), "finetune")
    said = call("evaluate", edited).stdout
    assert "Out of date and left out: 6 trained students, as the experiment" in said
    results = read_json(edited.parent / "run/results.json") or {}
    assert [(m["method"], m["rows"]) for m in results["methods"]] == [("finetune", None)]
    page = (edited.parent / "run/report/report.html").read_text()
    assert "Out of date and left out: 6 trained students" in page
    found = {one.method: one.state for one in status(open_experiment(edited)).students}
    assert found == {"finetune": "trained", "step-by-step": "out of date"}


# --- several students


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """``train`` for one student; then ``compare`` with one of another family beside it, on half the
    rows and on all."""
    with ScriptedTeacher() as teacher:
        file = write_routing(
            tmp_path_factory.mktemp("students"),
            ROWS,
            {"base_url": teacher.base_url},
            student=STUDENT,
            training=TRAINING,
            methods=PAIR,
        )
        annotate(open_experiment(file))
        train_students(open_experiment(file))
        study = {"train_rows": [0.5, 1.0], "students": BERT}
        file.write_text(file.read_text() + yaml.safe_dump({"study": study}))
        return file, call("compare", file)


BERT = {"bert": {"family": "encoder", "scratch": {"width": 32}, "decoder_layers": 1}}
NAMED = [Cell(m, 0, rows, s) for s in ("", "bert") for rows in (HALF, ALL) for m in PAIR]


def test_compare_trains_every_cell_of_every_student(named: tuple[Path, Result]):
    file, said = named
    assert "2 of 8 students are trained already" in said.stderr
    assert "6 to train" in said.stderr
    found = {path.name for path in (file.parent / "run/students").iterdir()}
    assert found == {cell.name for cell in NAMED}
    assert "bert-step-by-step-n30-seed0" in found
    for cell in NAMED:
        student = Student.load(file.parent / "run/students" / cell.name, "cpu")
        assert family_of(student.network) == ("encoder" if cell.student else "seq2seq")
        shape = student.brief.limits.scratch
        assert (shape.width, shape.layers) == ((32 if cell.student else 16), 1)


def test_the_results_tell_students_apart(named: tuple[Path, Result]):
    file, said = named
    results = read_json(file.parent / "run/results.json") or {}
    found = {(m["student"], m["method"], m["rows"]) for m in results["methods"]}
    assert found == {(cell.student, cell.method, cell.rows) for cell in NAMED}
    assert {(v["student"], v["rows"]) for v in results["comparisons"]} == {
        (student, rows) for student in ("", "bert") for rows in (HALF, ALL)
    }
    assert [(c["student"], c["method"]) for c in results["curves"]] == [
        (student, method) for student in ("", "bert") for method in PAIR
    ]
    assert "All this is of the student main; bert may differ." in results["headline"]
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


def test_rows_and_confusions_are_those_of_the_first_student(named: tuple[Path, Result]):
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


def test_a_study_of_students_goes_on_cell_by_cell(named: tuple[Path, Result]):
    file, _ = named
    before = list_written(file)
    gone = "bert-finetune-n30-seed0"
    shutil.rmtree(file.parent / "run/students" / gone)
    planned = CliRunner().invoke(app, ["plan", str(file)]).stdout
    assert "train      2 students" in planned
    assert "compare    8 students (main, bert; train rows 0.5, 1.0): 1 to train" in planned
    train_students(open_experiment(file), study=True)
    after = list_written(file)
    assert {p for p in after if after[p] != before.get(p)} == {p for p in before if gone in p}
    assert "2 of 2 students are trained already" in call("train", file).stderr


def test_the_status_of_students_is_told_by_name(named: tuple[Path, Result]):
    file, _ = named
    said = CliRunner().invoke(app, ["status", str(file)]).stdout.split("Students")[1]
    lines = [line.split()[:3] for line in said.splitlines() if line.rstrip().endswith("%")]
    assert lines == [[s, m, "0"] for s in ("main", "bert") for m in PAIR]


def test_a_name_decides_nothing(named: tuple[Path, Result], tmp_path: Path):
    """A student is the same whether it is named or stands in the ``student`` section."""
    file, _ = named
    one = Lessons(open_experiment(file)).of(Cell("step-by-step", 0, ALL, "bert"))
    config = yaml.safe_load(file.read_text())
    config["student"] = {"scratch": {**STUDENT["scratch"], "width": 32}}
    config["student"] |= {"family": "encoder", "decoder_layers": 1}
    del config["study"]
    other = file.with_name("other.yaml")
    other.write_text(yaml.safe_dump(config))
    same = Lessons(open_experiment(other)).of(Cell("step-by-step", 0))
    assert one.student == same.student
    assert one.fingerprint == same.fingerprint


def test_a_named_student_that_does_not_fit_is_named(
    write_experiment: WriteExperiment, monkeypatch: pytest.MonkeyPatch
):
    file = write_experiment(
        {
            "methods": ["finetune"],
            "student": STUDENT,
            "study": {"students": {"wide": {"scratch": {"width": 32}}}},
        }
    )
    memory = iter([2**40, 1])
    monkeypatch.setattr("distilwhy.students.preflight.read_available", lambda: next(memory))
    with pytest.raises(StudentError, match=r"^study\.students\.wide: training takes about"):
        train_students(open_experiment(file), study=True)


# --- several learning rates


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """Two methods with two seeds, and two learning rates to choose from."""
    with ScriptedTeacher() as teacher:
        file = write_routing(
            tmp_path_factory.mktemp("rates"),
            ROWS,
            {"base_url": teacher.base_url},
            student=STUDENT,
            training={**TRAINING, "lr": [1e-3, 3e-3]},
            methods=PAIR,
            seeds=[4, 2],
        )
        return file, call("run", file)


@pytest.mark.parametrize("method", PAIR)
def test_the_first_seed_searches_and_the_other_takes_what_it_found(
    searched: tuple[Path, Result], method: str
):
    file, said = searched
    first, second = (training_of(file, Cell(method, seed)) for seed in (4, 2))
    assert [tried["lr"] for tried in first["search"]] == [1e-3, 3e-3]
    best = max(tried["validation_accuracy"] for tried in first["search"])
    kept = next(tried for tried in first["search"] if tried["lr"] == first["lr"])
    assert kept["validation_accuracy"] == first["validation_accuracy"] == best
    assert [tried["lr"] for tried in second["search"]] == [second["lr"]] == [first["lr"]]
    assert said.stderr.count(f"{method} seed 4: validation") == 2
    assert said.stderr.count(f"{method} seed 2: validation") == 1


def test_a_finished_search_is_not_done_again(searched: tuple[Path, Result]):
    file, said = searched
    assert "6 to train" in said.stderr
    before = list_written(file)
    assert "4 of 4 students are trained already" in call("run", file).stderr
    assert list_written(file) == before


Accuracies = dict[float, float]


def fake_training(
    monkeypatch: pytest.MonkeyPatch, accuracies: Accuracies, killed_at: float | None = None
) -> list[float]:
    """Training that takes no time: the weights tell which learning rate they are of. Gives the
    learning rates that are trained with, as they come."""
    tried: list[float] = []

    def train(
        student: Student,
        rows: Sequence[object],
        validation: Sequence[object],
        config: Any,
        seed: int,
        folder: Path,
        **hooks: Callable[..., None],
    ) -> Trained:
        [rate] = config.rates
        tried.append(rate)
        if rate == killed_at:
            raise KeyboardInterrupt
        with torch.no_grad():
            for weight in student.network.parameters():
                weight.fill_(rate)
        student.network.eval()
        return Trained(8, 1, 1, accuracies[rate], rate, 0, "fp32", 1, 0.0, {}, [])

    monkeypatch.setattr("distilwhy.students.training.train", train)
    return tried


def search(write_experiment: WriteExperiment, rates: Sequence[float]) -> Path:
    """An experiment that chooses a learning rate for two seeds, and needs no teacher."""
    return write_experiment(
        {
            "methods": ["finetune"],
            "seeds": [0, 1],
            "student": STUDENT,
            "training": {**TRAINING, "lr": list(rates)},
            "data.test": DROP,
        }
    )


@pytest.mark.parametrize("rates", [(1e-3, 3e-3, 9e-3), (9e-3, 3e-3, 1e-3)])
def test_the_rate_that_is_best_on_validation_is_kept(
    write_experiment: WriteExperiment, monkeypatch: pytest.MonkeyPatch, rates: Sequence[float]
):
    accuracies = {1e-3: 0.2, 3e-3: 0.7, 9e-3: 0.4}
    tried = fake_training(monkeypatch, accuracies)
    file = search(write_experiment, rates)
    train_students(open_experiment(file))
    assert tried == [*rates, 3e-3]
    for seed in (0, 1):
        summary = training_of(file, Cell("finetune", seed))
        assert (summary["lr"], summary["validation_accuracy"]) == (3e-3, 0.7)
        student = Student.load(file.parent / "run/students" / Cell("finetune", seed).name, "cpu")
        assert {w for p in student.network.parameters() for w in p.unique().tolist()} == {
            torch.tensor(3e-3).item()
        }
    found = training_of(file, Cell("finetune", 0))["search"]
    assert {tried["lr"]: tried["validation_accuracy"] for tried in found} == accuracies


def test_a_killed_search_goes_on(
    write_experiment: WriteExperiment, monkeypatch: pytest.MonkeyPatch
):
    accuracies = {1e-3: 0.8, 3e-3: 0.7, 9e-3: 0.4}
    fake_training(monkeypatch, accuracies, killed_at=3e-3)
    file = search(write_experiment, list(accuracies))
    with pytest.raises(KeyboardInterrupt):
        train_students(open_experiment(file))
    assert training_of(file, Cell("finetune", 0)) == {}
    tried = fake_training(monkeypatch, accuracies)
    train_students(open_experiment(file))
    assert tried == [3e-3, 9e-3, 1e-3]
    found = training_of(file, Cell("finetune", 0))
    assert [one["lr"] for one in found["search"]] == list(accuracies)
    assert found["lr"] == 1e-3


def test_a_rate_found_by_a_student_out_of_date_is_out_of_date(
    write_experiment: WriteExperiment, monkeypatch: pytest.MonkeyPatch
):
    fake_training(monkeypatch, {1e-3: 0.8, 3e-3: 0.7})
    file = search(write_experiment, [1e-3, 3e-3])
    train_students(open_experiment(file))
    file.write_text(file.read_text().replace("0.003", "0.009"))
    assert [one.state for one in status(open_experiment(file)).students] == ["out of date"] * 2


def test_a_candidate_of_another_lesson_is_trained_again(
    write_experiment: WriteExperiment, monkeypatch: pytest.MonkeyPatch
):
    accuracies = {1e-3: 0.8, 3e-3: 0.7}
    fake_training(monkeypatch, accuracies, killed_at=3e-3)
    file = search(write_experiment, list(accuracies))
    with pytest.raises(KeyboardInterrupt):
        train_students(open_experiment(file))
    file.write_text(file.read_text().replace("batch_size: 8", "batch_size: 4"))
    tried = fake_training(monkeypatch, accuracies)
    train_students(open_experiment(file))
    assert tried == [1e-3, 3e-3, 1e-3]


# --- students that read the teacher's reasons, and reasons for wrong labels


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A student that answers alone, one that is told the teacher's reasons, and reasons for wrong
    labels left out."""
    with ScriptedTeacher() as teacher:
        file = write_routing(
            tmp_path_factory.mktemp("told"),
            ROWS,
            {"base_url": teacher.base_url},
            student=STUDENT,
            training={**TRAINING, "wrong_rationales": "drop-rationale"},
            methods=["finetune", "step-by-step", "rationale-input"],
        )
        return file, call("run", file)


def student_of(file: Path, method: str = "rationale-input") -> Path:
    return file.parent / "run/students" / Cell(method, 0).name


def told_examples(file: Path) -> list[Example]:
    """The test rows with the teacher's reasons after them, put together here."""
    experiment = open_experiment(file)
    annotations = experiment.read_annotations()
    return [
        replace(e, text=f"{e.text}\nRationale: {reasons}" if reasons else e.text)
        for e in experiment.splits.test
        for reasons in [annotations[e.id].rationale]
    ]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Example]:
    """What students are asked, as they read it."""
    found: list[Example] = []
    answer = Student.predict

    def listen(student: Student, examples: Sequence[Example], **how: Any) -> list[Prediction]:
        found.extend(examples)
        return answer(student, examples, **how)

    monkeypatch.setattr(Student, "predict", listen)
    return found


def test_a_told_student_is_asked_with_the_teachers_reasons(
    told: tuple[Path, Result], asked: list[Example]
):
    file, _ = told
    examples = told_examples(file)
    assert sum("\nRationale: The " in e.text for e in examples) >= ROWS["test"] - 2
    (file.parent / "run/predictions/rationale-input-seed0.json").unlink()
    before = (file.parent / "run/results.json").read_text()
    evaluate(open_experiment(file))
    assert asked == examples
    assert (file.parent / "run/results.json").read_text() == before


def test_the_cost_of_a_told_student_is_told(told: tuple[Path, Result]):
    file, said = told
    results = read_json(file.parent / "run/results.json") or {}
    calls = {m["method"]: m["students"][0]["teacher_calls"] for m in results["methods"]}
    assert calls == {"finetune": 0, "step-by-step": 0, "rationale-input": ROWS["test"]}
    line = "rationale-input is no student that answers alone: it took 12 answers of the teacher"
    assert said.stdout.count(line) == 1
    assert said.stdout.count("is no student that answers alone") == 1


def test_a_file_of_rows_with_reasons_is_read_as_in_training(
    told: tuple[Path, Result], asked: list[Example], tmp_path: Path
):
    file, _ = told
    lesson = Lessons(open_experiment(file)).of(Cell("rationale-input", 0))
    said = open_experiment(file).read_annotations()
    rows = [json.loads(line) for line in (file.parent / "train.jsonl").read_text().splitlines()]
    given = []
    for row in rows:
        # Reasons for a wrong label were left out of the lesson.
        is_right = said[row["id"]].label == row["team"]
        given.append({**row, "rationale": said[row["id"]].rationale if is_right else ""})
    publish_jsonl(tmp_path / "rows.jsonl", given)
    command = ["predict", student_of(file), "--file", tmp_path / "rows.jsonl"]
    result = CliRunner().invoke(app, list(map(str, command)))
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["id"] for line in lines] == [row["id"] for row in rows]
    read, taught = {e.text for e in asked}, {row.source for row in lesson.rows}
    assert taught < read
    assert 0 < sum("\nRationale: " in text for text in taught) < len(taught)


def test_a_text_without_reasons_is_refused(told: tuple[Path, Result], asked: list[Example]):
    file, _ = told
    with pytest.raises(StudentError, match=r"reads the teacher's rationale .* give --file") as bare:
        predict(student_of(file), "My router drops out.")
    assert "\n" not in str(bare.value)
    assert predict(student_of(file, "finetune"), "My router drops out.")
    asked.clear()
    text = "My router drops out.\nRationale: A router is broken."
    [found] = predict(student_of(file), text)
    assert [example.text for example in asked] == [text]
    assert found.label is not None


def test_rows_without_reasons_are_refused(told: tuple[Path, Result]):
    file, _ = told
    with pytest.raises(DataError, match=r"test\.jsonl row 1: .*'rationale' is undefined"):
        predict(student_of(file), file=file.parent / "test.jsonl")


def test_reasons_for_wrong_labels_are_counted(told: tuple[Path, Result]):
    file, said = told
    annotations = open_experiment(file).read_annotations()
    rows = [json.loads(line) for line in (file.parent / "train.jsonl").read_text().splitlines()]
    read = [row for row in rows if annotations[row["id"]].outcome == "ok"]
    wrong = [row for row in read if annotations[row["id"]].label != solve(row["message"])[1]]
    expected = {
        "known": len(read),
        "wrong": len(wrong),
        "explained": 0,
        "unreasoned": len(wrong),
        "dropped": 0,
    }
    assert 0 < len(wrong) < len(read) < len(rows)
    results = read_json(file.parent / "run/results.json") or {}
    found = {method["method"]: method["wrong_rationales"] for method in results["methods"]}
    assert found == {"finetune": {}, "step-by-step": expected, "rationale-input": expected}
    assert (
        f"{len(wrong)} of {len(read)} train rows with gold had reasons for a wrong label: "
        f"{len(wrong)} taught without their reasons"
    ) in said.stdout
    lesson = Lessons(open_experiment(file)).of(Cell("step-by-step", 0))
    reasoned = {row.source for row in lesson.rows if len(row.targets) == 2}
    assert not reasoned & {row["message"] for row in wrong}
    assert reasoned | {row["message"] for row in wrong} == {row["message"] for row in read}
