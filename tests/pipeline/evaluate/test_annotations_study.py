"""A study of several teachers: recorded ones, and reasons that stand in the rows themselves."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import Result

from commands import call, print_plan
from distilwhy.core.student_id import StudentId
from distilwhy.errors import ConfigError
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.train.study import list_students
from distilwhy.store.files import read_json, read_jsonl
from studies import STUDENT, TRAINING, list_written, training_of

GOLD = ["Line Desk", "Swap Desk", "Welcome Desk"]
HUMAN = {
    "kind": "recorded",
    "strategy": "explain-label",
    "explanations": ["train.jsonl"],
    "rationale": "human",
    "label": "team",
    "annotate": ["train"],
}
METHODS = ["finetune", "label-distill", "step-by-step", "step-by-step-gold"]


def write_rows(folder: Path) -> None:
    """Rows with gold labels and a person's reasons, and two teachers: one is right about all rows
    that it answers, but leaves two out; the other always says the same."""
    for split, count in (("train", 20), ("validation", 6), ("test", 6)):
        rows = [
            {"id": f"{split}{i}", "message": f"Message {i} of {split}.", "team": GOLD[i % 3],
             "human": f"Because of rule {i}."}
            for i in range(count)
        ]  # fmt: skip
        right = [
            {"id": row["id"], "completion": f"Rule {i}. So the answer is {row['team']}."}
            for i, row in enumerate(rows)
            if split != "train" or i < 18
        ]
        same = [
            {"id": row["id"], "completion": f"Whatever. So the answer is {GOLD[0]}."}
            for row in rows
        ]
        for name, content in ((split, rows), (f"{split}.right", right), (f"{split}.same", same)):
            text = "".join(json.dumps(row) + "\n" for row in content)
            (folder / f"{name}.jsonl").write_text(text)


def recorded(name: str) -> dict[str, object]:
    files = [f"{split}.{name}.jsonl" for split in ("train", "validation", "test")]
    return {"kind": "recorded", "completions": files}


def write_study(folder: Path, **changes: object) -> Path:
    write_rows(folder)
    settings: dict[str, object] = {
        "task": {
            "input": "{{ message }}",
            "gold": "team",
            "answer": {"kind": "choice", "labels": GOLD},
        },
        "data": {split: f"{split}.jsonl" for split in ("train", "validation", "test")},
        "teacher": recorded("right"),
        "student": STUDENT,
        "training": TRAINING,
        "methods": METHODS,
        "study": {"annotations": {"right": {}, "same": recorded("same"), "human": HUMAN}},
        "out": "run",
        **changes,
    }
    (folder / "experiment.yaml").write_text(yaml.safe_dump(settings))
    return folder / "experiment.yaml"


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    file = write_study(tmp_path_factory.mktemp("axis"), seeds=[0, 1])
    return file, call("compare", file)


ARMS = [
    *(StudentId(method, 0) for method in METHODS),
    *(StudentId(method, 0, annotations="same") for method in METHODS[1:]),
    StudentId("step-by-step-gold", 0, annotations="human"),
]


def test_each_method_is_trained_once_for_each_teacher_that_serves_it(
    compared: tuple[Path, Result],
):
    file, said = compared
    assert f"{2 * len(ARMS)} to train" in said.stderr
    found = {path.name for path in (file.parent / "run/students").iterdir()}
    names = {student_id.name for student_id in ARMS}
    assert found == names | {name.replace("seed0", "seed1") for name in names}
    assert "step-by-step-gold-seed0@human" in found


def test_each_arm_trains_on_what_its_own_teacher_answered(compared: tuple[Path, Result]):
    rows = {student_id.name: training_of(compared[0], student_id)["rows"] for student_id in ARMS}
    assert rows == {
        "finetune-seed0": 20,
        "label-distill-seed0": 18,
        "step-by-step-seed0": 18,
        "step-by-step-gold-seed0": 18,
        "label-distill-seed0@same": 20,
        "step-by-step-seed0@same": 20,
        "step-by-step-gold-seed0@same": 20,
        "step-by-step-gold-seed0@human": 20,
    }


def test_arms_are_rows_of_one_table_and_compared_with_the_first_teacher(
    compared: tuple[Path, Result],
):
    file, said = compared
    results = read_json(file.parent / "run/results.json") or {}
    assert [method["method"] for method in results["methods"]] == [
        "finetune",
        "label-distill",
        "label-distill (same)",
        "step-by-step",
        "step-by-step (same)",
        "step-by-step-gold",
        "step-by-step-gold (human)",
        "step-by-step-gold (same)",
    ]
    pairs = {(c["method"], c["baseline"]) for c in results["comparisons"]}
    assert pairs == {
        ("step-by-step", "finetune"),
        ("step-by-step", "label-distill"),
        ("step-by-step-gold", "finetune"),
        ("step-by-step-gold", "label-distill"),
        ("step-by-step (same)", "finetune"),
        ("step-by-step (same)", "label-distill (same)"),
        ("step-by-step (same)", "step-by-step"),
        ("step-by-step-gold (same)", "finetune"),
        ("step-by-step-gold (same)", "label-distill (same)"),
        ("step-by-step-gold (same)", "step-by-step-gold"),
        ("step-by-step-gold (human)", "finetune"),
        ("step-by-step-gold (human)", "step-by-step-gold"),
    }
    assert "step-by-step-gold (human) against finetune: " in said.stdout
    assert "With the rationales of same in place of right's: " in results["headline"]
    cases = list(read_jsonl(file.parent / "run/cases.jsonl"))
    assert set(cases[0]["answers"]) == {s.arm for s in ARMS}


def test_each_teacher_has_a_ledger_of_its_own_and_nothing_is_done_twice(
    compared: tuple[Path, Result],
):
    file, said = compared
    folders = {path.parent.name for path in (file.parent / "run").rglob("ledger.sqlite")}
    assert folders == {"run", "same", "human"}
    before = list_written(file)
    again = call("compare", file)
    assert "to train" not in again.stderr
    assert list_written(file) == before
    assert again.stdout == said.stdout


def test_run_uses_the_teacher_of_the_teacher_section_alone(compared: tuple[Path, Result]):
    said = call("run", compared[0])
    assert f"Already trained: {2 * len(METHODS)} of {2 * len(METHODS)} students" in said.stderr


def test_naming_the_teacher_or_adding_another_keeps_what_is_trained(tmp_path: Path):
    file = write_study(tmp_path, study={}, methods=METHODS[:3])
    call("run", file)
    study = {"annotations": {"right": {}, "same": recorded("same")}}
    write_study(tmp_path, study=study, methods=METHODS[:3])
    said = call("compare", file).stderr
    assert "Already trained: 3 of 5 students" in said
    assert "2 to train" in said


@pytest.mark.parametrize(
    ("annotations", "methods", "message"),
    [
        ({"main": {}}, METHODS, "'main' names the teacher of the 'teacher' section"),
        ({"A b": {}}, METHODS, "'A b' cannot name a folder"),
        ({"one": {}, "two": {}}, METHODS, "annotations 'two' is the same as 'one'"),
        ({"x": {"kind": "tape"}}, METHODS, "study.annotations.x.kind: 'tape': must be one of"),
        ({"x": {"completions": []}}, METHODS, "study.annotations.x.kind: must be one of chat"),
        ({"x": {"kind": "recorded"}}, METHODS, "study.annotations.x.completions: names no file"),
        ({"human": HUMAN}, METHODS[:3], "study.annotations.human: no method learns from it"),
        (
            {"x": {**recorded("same"), "annotate": ["test"]}},
            METHODS,
            "study.annotations.x.annotate leaves out 'train'",
        ),
    ],
)
def test_an_error_about_a_teacher_of_the_study_names_it(
    annotations: dict[str, object], methods: list[str], message: str, tmp_path: Path
):
    file = write_study(tmp_path, study={"annotations": annotations}, methods=methods)
    with pytest.raises(ConfigError) as caught:
        open_experiment(file)
    assert message in str(caught.value)


def test_a_study_without_other_teachers_is_as_before(tmp_path: Path):
    file = write_study(tmp_path, study={"annotations": {"right": {}}})
    assert list_students(open_experiment(file), study=True) == [StudentId(m, 0) for m in METHODS]


def test_the_report_says_which_teacher_and_how_many_rows_each_answered(
    compared: tuple[Path, Result],
):
    file, said = compared
    lines = said.stdout.splitlines()
    named = "A name in brackets is that of a method's teacher; without one it is right."
    rows = (
        "Of 20 train rows, readably answered: right 18, 100.0% of them right; human 20; same 20, "
        "35.0% of them right. 18 rows are the same for all, so the methods' rows differ."
    )
    assert {named, rows} <= set(lines)
    for name in ("report.html", "summary.md"):
        text = (file.parent / "run/report" / name).read_text().replace("\\", "")
        assert "readably answered: right 18" in text
    assert "a point" not in said.stdout


def test_the_report_says_what_each_point_of_accuracy_cost(compared: tuple[Path, Result]):
    file, _ = compared
    settings = yaml.safe_load(file.read_text())
    settings["teacher"]["cost_per_row"] = 0.5
    settings["study"]["annotations"]["human"]["cost_per_row"] = 2.0
    settings["prices"] = {"currency": "EUR", "input": 1.0, "output": 2.0}
    priced = file.with_name("priced.yaml")
    priced.write_text(yaml.safe_dump(settings))
    said = call("evaluate", priced).stdout
    assert "step-by-step, all 20 train rows: 10.00 EUR of annotations for " in said
    assert "step-by-step-gold (human), all 20 train rows: 40.00 EUR of annotations for " in said
    assert "(same), all 20 train rows" not in said
    assert "of annotations for" in (file.parent / "run/report/report.html").read_text()
    measured = read_json(file.parent / "run/measured.json") or {}
    costs = {one["method"]: one["cost"] for one in measured["annotation_costs"]}
    assert costs["label-distill"] == 10.0
    assert "finetune" not in costs


def test_plan_lists_the_calls_of_every_teacher_and_all_students(tmp_path: Path):
    file = write_study(tmp_path)
    found = [" ".join(line.split()) for line in print_plan(open_experiment(file)).splitlines()]
    calls = "calls to the recorded completions: 0 answered"
    assert f"annotate 32 {calls}, 32 to make" in found
    assert f"human 20 {calls}, 20 to make" in found
    assert f"same 32 {calls}, 32 to make" in found
    assert "recorded 30 of 32 rows have a recorded completion" in found
    assert "compare 8 students (right, human, same; train rows 1.0): 8 to train" in found


def test_annotations_and_annotate_are_about_one_teacher(compared: tuple[Path, Result]):
    file, _ = compared
    shown = call("annotations", file, "--teacher", "same", "--id", "train0").stdout
    assert "Whatever." in shown
    assert "Rule 0." in call("annotations", file, "--teacher", "right", "--id", "train0").stdout
    assert "20 of 20 rows" in call("annotate", file, "--teacher", "human").stdout
    failed = call("annotations", file, "--teacher", "sane", fails=True)
    assert "unknown teacher 'sane'; did you mean 'same'?" in str(failed.exception)


def test_a_teacher_that_is_not_readable_is_named(tmp_path: Path):
    file = write_study(tmp_path)
    broken = [{"id": f"train{i}", "completion": "Who knows."} for i in range(20)]
    (tmp_path / "train.same.jsonl").write_text("".join(json.dumps(r) + "\n" for r in broken))
    said = call("compare", file, fails=True)
    assert "annotations EXP.yaml --teacher same --problem any" in str(said.exception)


def test_only_a_missing_student_of_a_teacher_is_trained_again(
    compared: tuple[Path, Result], tmp_path: Path
):
    shutil.copytree(compared[0].parent, tmp_path / "again")
    file = tmp_path / "again" / "experiment.yaml"
    shutil.rmtree(file.parent / "run/students/step-by-step-gold-seed1@human")
    said = call("compare", file)
    assert "1 to train" in said.stderr
    assert read_json(file.parent / "run/results.json") == read_json(
        compared[0].parent / "run/results.json"
    )


def test_status_shows_every_teacher_and_the_students_of_each(compared: tuple[Path, Result]):
    said = call("status", compared[0]).stdout
    assert "Teacher human" in said
    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert any(line.startswith("step-by-step-gold (human) 1 trained") for line in lines)
    found = json.loads(call("status", compared[0], "--json").stdout)
    assert found["teachers"]["same"]["train"]["outcomes"]["ok"] == 20
