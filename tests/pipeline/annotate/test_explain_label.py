"""The strategy explain-label: the teacher is shown gold labels and asked for the reasons."""

import json
from functools import partial
from pathlib import Path

import pytest

from annotating import training_jobs
from commands import call, print_plan
from conftest import TRAIN, dump_rows
from distilwhy.cli.confirm import describe_proposal
from distilwhy.core.parsing.completion import Annotation
from distilwhy.errors import TeacherError
from distilwhy.pipeline.annotate.annotations import read_annotations, read_outcomes
from distilwhy.pipeline.annotate.calls import open_calls
from distilwhy.pipeline.annotate.coverage import spread_rows
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.annotate.session import Proposal
from distilwhy.pipeline.experiment import Experiment, open_experiment
from distilwhy.pipeline.plan import plan
from distilwhy.pipeline.run import run
from distilwhy.pipeline.train.study import list_students
from endpoint import Endpoint, says


@pytest.fixture
def opened(opened):
    """Opens an experiment of one method."""
    return partial(opened, {"methods": ["step-by-step"]})


EXPLAIN_LABEL = {"teacher.strategy": "explain-label"}
HOW = (
    'Sort the message.\n\nThink step by step. Then end with "So the answer is X.", where X is one '
    'of these: "damage", "question", "praise".'
)
BARE = {"id": "bare", "message": "Message 70."}


@pytest.fixture
def explain_label(opened, endpoint: Endpoint, tmp_path: Path):
    """Opens an experiment of seven train rows with gold, which the teacher is shown, and one
    without, a validation row and four test rows."""
    validation = {"id": "v", "message": "Message 50.", "kind": "damage"}
    (tmp_path / "v.jsonl").write_text(dump_rows([validation]))

    def opens(changes: dict[str, object] | None = None) -> Experiment:
        settings = {**EXPLAIN_LABEL, "data.validation": "v.jsonl", **(changes or {})}
        return opened(settings, train=[*TRAIN[:7], BARE])

    for row in TRAIN:
        endpoint.plays[why(row)] = [says(f"So it is. So the answer is {row['kind']}.")]
    return opens


def why(row: dict[str, object]) -> str:
    return f"{row['message']}\nThe right answer is {row['kind']}. Why?"


def test_the_gold_label_is_shown_for_train_rows_that_have_one_and_no_others(
    explain_label, endpoint: Endpoint
):
    assert annotate(explain_label()).answered == 13
    others = ["Message 50.", "Message 70.", *(f"Other {number}." for number in range(4))]
    assert sorted(endpoint.questions) == sorted([*map(why, TRAIN[:7]), *others])
    assert {len(body["messages"]) for body in endpoint.asked} == {4}
    found = read_annotations(explain_label())
    assert found["a1"] == Annotation("a1", "ok", "So it is.", "question", saw_gold=True)
    assert found["bare"] == Annotation("bare", "ok", "Why.", "damage")
    assert [name for name, one in found.items() if one.saw_gold] == [f"a{i}" for i in range(7)]
    assert annotate(explain_label()).from_ledger == 13


def test_explain_label_without_exemplars_asks_to_think_step_by_step(
    explain_label, endpoint: Endpoint
):
    experiment = explain_label({"task.exemplars": []})
    annotate(experiment)
    assert {tuple(m["content"] for m in body["messages"][:-1]) for body in endpoint.asked} == {
        (HOW,)
    }
    assert plan(experiment).warnings == []
    assert "zero-shot for the others" in print_plan(experiment)


def test_rows_whose_gold_label_was_shown_do_not_count_towards_accuracy(
    explain_label, endpoint: Endpoint
):
    endpoint.otherwise = [says("Nice. So the answer is praise.")]
    annotate(explain_label())
    tallies = read_outcomes(explain_label())
    assert (tallies["train"].score, tallies["train"].saw_gold) == (None, 7)
    assert tallies["validation"].score.accuracy == 0
    assert (tallies["test"].score.accuracy, tallies["test"].saw_gold) == (0.25, 0)
    shown = call("status", explain_label().file).stdout
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert {"saw gold label 7 0 0", "accuracy saw gold 0.0% 25.0%"} <= set(lines)


@pytest.mark.parametrize("samples", [1, 3])
def test_an_answer_other_than_the_shown_gold_label_is_unparsed(explain_label, endpoint, samples):
    endpoint.plays[why(TRAIN[1])] = [says("Nice. So the answer is praise.")]
    endpoint.plays[why(TRAIN[2])] = [
        says("Nice. So the answer is damage."),
        says("Lovely. So the answer is praise."),
        says("Kind. So the answer is praise."),
    ]
    changes = {"teacher.samples": samples, "teacher.temperature": 0.7, "teacher.concurrency": 1}
    annotate(explain_label(changes))
    found = read_annotations(explain_label(changes))
    problem = "it was shown that 'question' is right, but answers 'praise'"
    assert found["a1"] == Annotation("a1", "unparsed", problem=problem, saw_gold=True)
    if samples == 1:
        assert found["a2"].outcome == "unparsed"
    else:
        assert found["a2"] == Annotation(
            "a2", "ok", "Lovely.", "praise", others=("Kind.",), saw_gold=True
        )
        assert found["bare"].votes == (("damage", 1.0),)
    assert (
        read_outcomes(explain_label(changes))["train"].outcomes["unparsed"]
        == (3 - samples) // 2 + 1
    )


def test_students_learn_gold_and_the_reasons_for_it(explain_label, endpoint: Endpoint):
    endpoint.plays[why(TRAIN[1])] = [says("Nice. So the answer is praise.")]
    experiment = explain_label({"training": {"wrong_rationales": "explain"}})
    annotate(experiment)
    [student_id] = list_students(experiment)
    job = training_jobs(experiment).of(student_id)
    taught = {row.source: [target.text for target in row.targets] for row in job.rows}
    assert taught.pop("Message 70.") == ["damage", "Why."]
    assert taught == {
        str(row["message"]): [row["kind"], "So it is."] for row in TRAIN[:7] if row["id"] != "a1"
    }
    assert [example.gold for example in job.validation] == ["damage"]


def test_the_gate_counts_no_row_whose_gold_label_was_shown_as_correct(opened, endpoint: Endpoint):
    rows = [{"id": f"a{i}", "message": f"Message {i}.", "kind": "damage"} for i in range(60)]
    offers: list[Proposal] = []
    experiment = opened({**EXPLAIN_LABEL, "data.test": None}, train=rows)

    def confirm(offer: Proposal) -> bool:
        offers.append(offer)
        return True

    annotate(experiment, confirm=confirm)
    [offer] = offers
    asked = spread_rows(experiment.annotated, 16)
    untold = sum(not open_calls(experiment).shows_gold(row) for row in asked)
    assert offer.sample is not None
    assert (offer.sample.saw_gold, offer.sample.with_gold) == (16 - untold, untold)
    assert (
        f"First 16 answers: 16 parsed, {untold} of {untold} with a gold label right; "
        f"the teacher saw the gold label of {offer.sample.saw_gold}"
    ) in "\n".join(describe_proposal(offer, ""))


def test_the_gate_stops_a_teacher_that_ignores_the_shown_gold_label(opened, endpoint: Endpoint):
    rows = [{"id": f"a{i}", "message": f"Message {i}.", "kind": "praise"} for i in range(60)]
    with pytest.raises(TeacherError) as caught:
        annotate(opened({**EXPLAIN_LABEL, "data.test": None}, train=rows))
    assert "it was shown that 'praise' is right, but answers 'damage'" in str(caught.value)
    assert len(endpoint.asked) == 16


def test_the_plan_warns_of_rationale_input_with_explain_label(opened):
    changes = {**EXPLAIN_LABEL, "methods": ["rationale-input", "step-by-step"]}
    assert plan(opened(changes)).warnings == [
        "method 'rationale-input' is trained on rationales of a teacher that saw the gold label, "
        "and reads others at inference; remove it from 'methods', or use another teacher.strategy"
    ]
    assert plan(opened(EXPLAIN_LABEL)).warnings == []


def test_explain_label_reuses_the_explanations_of_explain_wrong(opened, endpoint: Endpoint):
    endpoint.otherwise = [says("Nice. So the answer is praise.")]
    endpoint.plays = {
        why(row): [says(f"So it is. So the answer is {row['kind']}.")] for row in TRAIN
    }
    before = opened({"teacher.explain_wrong": True})
    annotate(before)
    wrong = [row for row in before.splits.train if row.gold != "praise"]
    found = plan(opened(EXPLAIN_LABEL))
    rest = len(before.splits.train) - len(wrong)
    assert rest > 0
    assert (found.calls - found.answered, found.repaid) == (rest, rest)


def test_the_plan_shows_explain_label_and_its_prompt(explain_label):
    shown = print_plan(explain_label())
    assert "\nQ: Message 0.\nThe right answer is damage. Why?\nA:\n" in shown
    assert (
        "\nstrategy    explain-label for 7 train rows with a gold label, few-shot for the others\n"
    ) in shown
    nothing = plan(explain_label({"task.gold": None, "task.exemplars": [], "data.test": None}))
    assert nothing.warnings[0] == (
        "no annotated train row has a gold label, so strategy 'explain-label' has no effect"
    )
    assert nothing.saw_gold == 0


TINY = {"width": 16, "layers": 1, "heads": 2, "feedforward": 16, "vocabulary": 300}


def test_the_report_says_for_which_rows_the_gold_label_was_shown(explain_label):
    changes = {
        "methods": ["label-distill", "step-by-step"],
        "student": {"scratch": TINY},
        "training": {"steps": 2, "batch_size": 4, "evaluate_every": 2},
    }
    results = run(explain_label(changes))
    assert (
        "The teacher was shown the gold label of 7 train rows and asked why it is right; there, "
        "teacher labels are gold labels."
    ) in results.headline
    page = explain_label(changes).folder.page.read_text()
    assert "The teacher was shown the gold label of 7 train rows and asked why it is right" in page
    assert (
        json.loads(explain_label(changes).folder.results.read_text())["teacher"]["train"]["told"]
        == 7
    )


def test_recorded_explanations_answer_the_rows_whose_gold_label_is_shown(
    write_experiment, tmp_path: Path
):
    said = {"said.jsonl": "Hm. So the answer is praise.", "why.jsonl": "So. The answer is damage."}
    for name, text in said.items():
        lines = [{"id": row["id"], "completion": text} for row in TRAIN for _ in range(2)]
        (tmp_path / name).write_text(dump_rows(lines))
    teacher = {
        "kind": "recorded",
        "completions": ["said.jsonl"],
        "explanations": ["why.jsonl"],
        "strategy": "explain-label",
        "samples": 2,
    }
    train = [{**row, "kind": "damage" if str(row["id"]) < "a6" else None} for row in TRAIN]
    changes = {"teacher": teacher, "data.test": None, "task.exemplars": []}
    experiment = open_experiment(write_experiment(changes, train=train))
    assert not [warning for warning in plan(experiment).warnings if "exemplar" in warning]
    assert annotate(experiment).answered == 16
    read = read_annotations(experiment)
    shown = [row.id for row in experiment.splits.train if row.gold]
    assert shown
    for name, found in read.items():
        assert found.saw_gold == (name in shown)
        expected = ("So.", "damage") if found.saw_gold else ("Hm.", "praise")
        assert (found.rationale, found.label) == expected
