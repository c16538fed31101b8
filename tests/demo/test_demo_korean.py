"""The task in Korean: asked over HTTP, read, trained, predicted and explained."""

import re
from collections import Counter
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from distilwhy.cli.app import app
from distilwhy.core.task import CUE
from distilwhy.demo import korean, replies, run, scripted
from distilwhy.demo.korean import ISSUES, PRODUCTS, TEAMS, generate_tickets, misread, solve
from distilwhy.errors import DataError
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.students.student import Student

TICKETS = generate_tickets(1500, seed=3)
ROWS = {"train": 120, "validation": 20, "test": 20}
HANGUL = re.compile(r"[가-힣]{2}")
ENGLISH = re.compile(r"[A-Za-z]{2}")


def command(*arguments: object) -> str:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, f"{result.output}{result.exception!r}"
    return result.stdout


@pytest.fixture(scope="module")
def prompts() -> list[str]:
    """Every prompt that the scripted teacher was sent."""
    return []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, prompts: list[str]) -> Path:
    """The folder of the demo, run once with fewer rows and steps."""
    out = tmp_path_factory.mktemp("korean")
    training = {"steps": 40, "batch_size": 8, "lr": 3e-3, "evaluate_every": 40}
    read = scripted.read_chat

    def keep(body: object) -> scripted.CompletionRequest:
        prompts.append(read(body).prompt)
        return read(body)

    with pytest.MonkeyPatch.context() as patched:
        few = replace(run.TASKS["korean"], rows=ROWS, training=training)
        patched.setitem(run.TASKS, "korean", few)
        patched.setattr(run, "METHODS_SHOWN", ["step-by-step"])
        patched.setattr(scripted, "read_chat", keep)
        command("demo", "--task", "korean", "--out", out, "--workers", 1)
    return out


@pytest.fixture(scope="module")
def student(folder: Path) -> Path:
    return folder / "run/students/step-by-step-seed0"


def test_every_message_is_solved_with_a_rationale_for_its_team():
    assert generate_tickets(50, seed=3) == TICKETS[:50]
    assert len({ticket.message for ticket in TICKETS}) == 1500
    assert {ticket.team for ticket in TICKETS} == set(TEAMS)
    for ticket in TICKETS:
        rationale, team = solve(ticket.message)
        assert team == ticket.team
        assert rationale.endswith(f" {team} 팀이 맡습니다.")
        assert misread(ticket.message, 7)[1] != team


def test_a_particle_agrees_with_the_word_before_it():
    (rationale, _), (other, _) = (
        solve(f"주문한 {product} 건인데 이상한 냄새가 나요.") for product in ("책상", "침대")
    )
    assert rationale.startswith("책상은 가구입니다.")
    assert other.startswith("침대는 가구입니다.")


def test_a_message_about_no_known_product_is_an_error():
    with pytest.raises(DataError, match="no product with a known complaint"):
        solve("안녕하세요.")


def test_the_task_file_agrees_with_the_generator():
    text = resources.files("distilwhy.demo").joinpath("korean.yaml").read_text(encoding="utf-8")
    task = yaml.safe_load(text)
    assert task["answer"]["labels"] == list(TEAMS)
    assert [exemplar["team"] for exemplar in task["exemplars"]] == list(TEAMS)
    for exemplar in task["exemplars"]:
        assert solve(exemplar["message"]) == (exemplar["rationale"], exemplar["team"])
    for kind, products in PRODUCTS.items():
        assert f"- {kind}: {', '.join(products)}\n" in task["instruction"]
    for issue, phrases in ISSUES.items():
        team = solve(f"주문한 책상 건인데 {phrases[0]}.")[1]
        assert f"- {issue} → {team}\n" in task["instruction"]
    for kind, issue in korean._EXCEPTIONS:
        team = solve(f"주문한 {PRODUCTS[kind][0]} 건인데 {ISSUES[issue][0]}.")[1]
        assert f"- {kind}의 {issue} → {team}\n" in task["instruction"]


def test_the_teacher_is_sent_no_english(folder: Path, prompts: list[str]):
    assert len(prompts) >= sum(ROWS.values())
    assert [prompt for prompt in prompts if ENGLISH.search(prompt)] == []


def test_replies_are_read_as_they_were_scripted(folder: Path):
    experiment = open_experiment(folder / "experiment.yaml")
    assert experiment.task.cue != CUE
    annotations = read_annotations(experiment)
    splits = experiment.splits
    examples = [*splits.train, *splits.validation, *(splits.test or ())]
    outcomes = Counter(annotations[example.id].outcome for example in examples)
    assert sum(outcomes.values()) == sum(ROWS.values())
    wrong = 0
    for example in examples:
        found, reply = annotations[example.id], replies.reply_to(example.text)
        solutions = [solve(example.text), *(misread(example.text, i) for i in range(6))]
        said = [one for one in solutions if one[0] in reply.text and reply.finish_reason == "stop"]
        if said:
            assert (found.outcome, found.rationale, found.label) == ("ok", *said[0]), reply.text
            wrong += found.label != example.gold
        else:
            assert found.outcome != "ok", reply.text
    assert 0.9 < outcomes["ok"] / len(examples) < 1
    assert 0.05 < wrong / len(examples) < 0.2


def test_a_student_from_scratch_spells_korean(student: Path):
    tokenizer = Student.load(student).network.tokenizer
    seen, unseen = TICKETS[0].message, "똠방각하가 뷁을 샀어요. 한국어 ㅋㅋ"
    for text in (seen, unseen):
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids, skip_special_tokens=True).strip() == text
    assert len(tokenizer(seen)["input_ids"]) < len(seen)


def test_a_prediction_is_a_korean_label_explained_in_korean(student: Path):
    said = command("predict", student, TICKETS[0].message, "--explain")
    label, because = said.splitlines()[:2]
    assert label in TEAMS
    assert because.startswith("because: ")
    assert HANGUL.search(because)


def test_no_character_of_a_korean_reply_is_lost_where_its_line_wraps(folder: Path):
    said = command("annotations", folder / "experiment.yaml")
    assert "여러 가지로 볼 수 있는 문의입니다." in " ".join(said.split())
    assert replies._KOREAN.rambling in " ".join(said.split())


def test_the_report_shows_korean(folder: Path):
    page = (folder / "run/report/report.html").read_text(encoding="utf-8")
    assert "상품 불량" in page
    assert solve(TICKETS[0].message)[1] in page
