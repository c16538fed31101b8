"""The ways to ask a teacher: what is sent, who is told what, and what may be counted."""

import json
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from annotating import all_calls, explanations, training_jobs
from conftest import TRAIN, dump_rows
from distilwhy.cli.app import app
from distilwhy.cli.confirm import describe_proposal
from distilwhy.core.parsing.completion import Annotation
from distilwhy.errors import ConfigError, TeacherError
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
from error_of import without_line

# Of what was paid for by the first experiments: a key that changes pays them anew.
KEYS = {
    "chat": "5a1365c6565a381e",
    "completion": "e43aa9e9e9ab046e",
    "anthropic": "e3303c814b473a6b",
    "gemini": "15718a8bdc16d2d8",
    "structured": "ba62f694fe5e66ea",
}
EXPLAINING_KEY = "8123cb2373c7b95e"


@pytest.mark.parametrize("kind", KEYS)
def test_what_was_asked_before_there_were_strategies_is_not_asked_anew(write_experiment, kind):
    structured = kind == "structured"
    settings = {"teacher.kind": "chat" if structured else kind, "teacher.structured": structured}
    call = all_calls(open_experiment(write_experiment(settings)))[0]
    assert call.prompt.as_text() == (
        "Sort the message.\n\n"
        "Q: The swing broke.\nA: Something is broken. So the answer is damage.\n\n"
        "Q: Message 0.\nA:"
    )
    assert call.key.hex()[:16] == KEYS[kind]


def test_nor_is_what_was_explained_before(write_experiment, endpoint: Endpoint):
    endpoint.otherwise = [says("Nice. So the answer is praise.")]
    settings = {"teacher.explain_wrong": True, "teacher.gate": {"rows": 0}}
    experiment = open_experiment(write_experiment(settings), endpoint.url)
    annotate(experiment)
    call = explanations(experiment)[0]
    assert call.prompt.question == "Message 0.\nThe right answer is damage. Why?"
    assert call.key.hex()[:16] == EXPLAINING_KEY


@pytest.fixture
def opened(opened):
    """Opens an experiment of one method."""
    return partial(opened, {"methods": ["step-by-step"]})


def shown_plan(experiment: Experiment) -> str:
    """What ``distilwhy plan`` prints."""
    return CliRunner().invoke(app, ["plan", str(experiment.file)]).stdout


ZERO_SHOT = {"teacher.strategy": "zero-shot"}
HOW = (
    'Sort the message.\n\nThink step by step. Then end with "So the answer is X.", where X is one '
    'of these: "damage", "question", "praise".'
)


def test_zero_shot_shows_no_exemplars_and_says_how_to_reply(opened, endpoint: Endpoint):
    assert annotate(opened(ZERO_SHOT)).answered == 12
    [first, *_] = endpoint.asked
    assert [message["role"] for message in first["messages"]] == ["system", "user"]
    assert first["messages"][0]["content"] == HOW
    assert {found.rationale for found in read_annotations(opened(ZERO_SHOT)).values()} == {"Why."}
    bare = opened({**ZERO_SHOT, "task.exemplars": []})
    assert annotate(bare).from_ledger == 12
    assert plan(bare).warnings == []


def test_zero_shot_for_an_answer_as_json(opened, endpoint: Endpoint):
    endpoint.otherwise = [says('{"rationale": "Why.", "answer": "praise"}')]
    annotate(opened({**ZERO_SHOT, "teacher.structured": True}))
    said = endpoint.asked[0]["messages"][0]["content"]
    assert said.endswith('Then give in "answer" one of these: "damage", "question", "praise".')
    assert "So the answer is" not in json.dumps(endpoint.asked)


def test_zero_shot_explains_what_was_wrong_without_exemplars_too(opened, endpoint: Endpoint):
    changes = {**ZERO_SHOT, "teacher.explain_wrong": True}
    endpoint.plays["Message 2."] = [says("Hm. So the answer is damage.")]
    endpoint.otherwise = [says("Hm. So the answer is damage.")]
    annotate(opened(changes))
    explaining = [body for body in endpoint.asked if "Why?" in body["messages"][-1]["content"]]
    assert explaining
    assert all(len(body["messages"]) == 2 for body in explaining)


def test_the_plan_tells_the_strategy_and_a_whole_prompt(opened):
    shown = shown_plan(opened(ZERO_SHOT))
    assert HOW in shown
    assert "\nstrategy    zero-shot: no exemplars, think step by step\n" in shown
    assert "strategy" not in shown_plan(opened())
    assert "exemplars  " not in shown_plan(opened())


def test_the_plan_says_what_to_do_without_exemplars(opened):
    assert plan(opened({"task.exemplars": []})).warnings == [
        "there are no exemplars, so nothing shows the teacher how to answer; write some, or set "
        "teacher.strategy to 'zero-shot'"
    ]


TELLS = {"teacher.strategy": "explain-label"}
BARE = {"id": "bare", "message": "Message 70."}


@pytest.fixture
def told(opened, endpoint: Endpoint, tmp_path: Path):
    """Opens an experiment of seven train rows with gold, which the teacher is told, and one
    without, a validation row and four test rows."""
    validation = {"id": "v", "message": "Message 50.", "kind": "damage"}
    (tmp_path / "v.jsonl").write_text(dump_rows([validation]))

    def opens(changes: dict[str, object] | None = None) -> Experiment:
        settings = {**TELLS, "data.validation": "v.jsonl", **(changes or {})}
        return opened(settings, train=[*TRAIN[:7], BARE])

    for row in TRAIN:
        endpoint.plays[why(row)] = [says(f"So it is. So the answer is {row['kind']}.")]
    return opens


def why(row: dict[str, object]) -> str:
    return f"{row['message']}\nThe right answer is {row['kind']}. Why?"


def test_train_rows_with_gold_alone_are_told_their_label(told, endpoint: Endpoint):
    assert annotate(told()).answered == 13
    others = ["Message 50.", "Message 70.", *(f"Other {number}." for number in range(4))]
    assert sorted(endpoint.questions) == sorted([*map(why, TRAIN[:7]), *others])
    assert {len(body["messages"]) for body in endpoint.asked} == {4}
    found = read_annotations(told())
    assert found["a1"] == Annotation("a1", "ok", "So it is.", "question", saw_gold=True)
    assert found["bare"] == Annotation("bare", "ok", "Why.", "damage")
    assert [name for name, one in found.items() if one.saw_gold] == [f"a{i}" for i in range(7)]
    assert annotate(told()).from_ledger == 13


def test_without_exemplars_everyone_is_asked_to_think_step_by_step(told, endpoint: Endpoint):
    experiment = told({"task.exemplars": []})
    annotate(experiment)
    assert {tuple(m["content"] for m in body["messages"][:-1]) for body in endpoint.asked} == {
        (HOW,)
    }
    assert plan(experiment).warnings == []
    assert "zero-shot for the others" in shown_plan(experiment)


def test_what_a_told_teacher_says_is_no_measure_of_it(told, endpoint: Endpoint):
    endpoint.otherwise = [says("Nice. So the answer is praise.")]
    annotate(told())
    tallies = read_outcomes(told())
    assert (tallies["train"].score, tallies["train"].saw_gold) == (None, 7)
    assert tallies["validation"].score.accuracy == 0
    assert (tallies["test"].score.accuracy, tallies["test"].saw_gold) == (0.25, 0)
    shown = CliRunner().invoke(app, ["status", str(told().file)]).stdout
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert {"saw gold label 7 0 0", "accuracy saw gold 0.0% 25.0%"} <= set(lines)


@pytest.mark.parametrize("samples", [1, 3])
def test_a_told_teacher_that_keeps_to_another_label_is_not_read(told, endpoint, samples):
    endpoint.plays[why(TRAIN[1])] = [says("Nice. So the answer is praise.")]
    endpoint.plays[why(TRAIN[2])] = [
        says("Nice. So the answer is damage."),
        says("Lovely. So the answer is praise."),
        says("Kind. So the answer is praise."),
    ]
    changes = {"teacher.samples": samples, "teacher.temperature": 0.7, "teacher.concurrency": 1}
    annotate(told(changes))
    found = read_annotations(told(changes))
    problem = "it was shown that 'question' is right, but answers 'praise'"
    assert found["a1"] == Annotation("a1", "unparsed", problem=problem, saw_gold=True)
    if samples == 1:
        assert found["a2"].outcome == "unparsed"
    else:
        assert found["a2"] == Annotation(
            "a2", "ok", "Lovely.", "praise", others=("Kind.",), saw_gold=True
        )
        assert found["bare"].votes == (("damage", 1.0),)
    assert read_outcomes(told(changes))["train"].outcomes["unparsed"] == (3 - samples) // 2 + 1


def test_students_learn_gold_and_the_reasons_for_it(told, endpoint: Endpoint):
    endpoint.plays[why(TRAIN[1])] = [says("Nice. So the answer is praise.")]
    experiment = told({"training": {"wrong_rationales": "explain"}})
    annotate(experiment)
    [student_id] = list_students(experiment)
    job = training_jobs(experiment).of(student_id)
    taught = {row.source: [target.text for target in row.targets] for row in job.rows}
    assert taught.pop("Message 70.") == ["damage", "Why."]
    assert taught == {
        str(row["message"]): [row["kind"], "So it is."] for row in TRAIN[:7] if row["id"] != "a1"
    }
    assert [example.gold for example in job.validation] == ["damage"]


def test_the_gate_counts_no_told_row_as_right(opened, endpoint: Endpoint):
    rows = [{"id": f"a{i}", "message": f"Message {i}.", "kind": "damage"} for i in range(60)]
    offers: list[Proposal] = []
    experiment = opened({**TELLS, "data.test": None}, train=rows)

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


def test_a_teacher_that_does_not_keep_to_gold_is_stopped_by_the_gate(opened, endpoint: Endpoint):
    rows = [{"id": f"a{i}", "message": f"Message {i}.", "kind": "praise"} for i in range(60)]
    with pytest.raises(TeacherError) as caught:
        annotate(opened({**TELLS, "data.test": None}, train=rows))
    assert "it was shown that 'praise' is right, but answers 'damage'" in str(caught.value)
    assert len(endpoint.asked) == 16


def test_a_student_that_reads_reasons_is_no_good_where_they_are_told(opened):
    told = {**TELLS, "methods": ["rationale-input", "step-by-step"]}
    assert plan(opened(told)).warnings == [
        "method 'rationale-input' learns to read reasons of a teacher shown the gold label, "
        "and will be given others when it answers; take it out of 'methods', or ask by another "
        "teacher.strategy"
    ]
    assert plan(opened(TELLS)).warnings == []


def test_telling_what_was_explained_already_costs_nothing_and_the_rest_is_said_to_be_paid_anew(
    opened, endpoint: Endpoint
):
    endpoint.otherwise = [says("Nice. So the answer is praise.")]
    endpoint.plays = {
        why(row): [says(f"So it is. So the answer is {row['kind']}.")] for row in TRAIN
    }
    before = opened({"teacher.explain_wrong": True})
    annotate(before)
    wrong = [row for row in before.splits.train if row.gold != "praise"]
    found = plan(opened(TELLS))
    rest = len(before.splits.train) - len(wrong)
    assert rest > 0
    assert (found.calls - found.answered, found.repaid) == (rest, rest)


def test_the_plan_of_telling(told):
    shown = shown_plan(told())
    assert "\nQ: Message 0.\nThe right answer is damage. Why?\nA:\n" in shown
    assert (
        "\nstrategy    explain-label for 7 train rows with a gold label, few-shot for the others\n"
    ) in shown
    nothing = plan(told({"task.gold": None, "task.exemplars": [], "data.test": None}))
    assert nothing.warnings[0] == (
        "no annotated train row has a gold label, so teacher.strategy 'explain-label' has nothing "
        "to tell"
    )
    assert nothing.saw_gold == 0


TINY = {"width": 16, "layers": 1, "heads": 2, "feedforward": 16, "vocabulary": 300}


def test_the_report_says_who_was_told(told):
    changes = {
        "methods": ["label-distill", "step-by-step"],
        "student": {"scratch": TINY},
        "training": {"steps": 2, "batch_size": 4, "evaluate_every": 2},
    }
    results = run(told(changes))
    assert (
        "The teacher was shown the gold label of 7 train rows and asked why it is right; there, "
        "teacher labels are gold labels."
    ) in results.headline
    page = told(changes).folder.page.read_text()
    assert "The teacher was shown the gold label of 7 train rows and asked why it is right" in page
    assert json.loads(told(changes).folder.results.read_text())["teacher"]["train"]["told"] == 7


def test_recorded_explanations_are_what_was_said_of_told_rows(write_experiment, tmp_path: Path):
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
    told = [row.id for row in experiment.splits.train if row.gold]
    assert told
    for name, found in read.items():
        assert found.saw_gold == (name in told)
        expected = ("So.", "damage") if found.saw_gold else ("Hm.", "praise")
        assert (found.rationale, found.label) == expected


POOL = [
    {"message": text, "kind": kind, "rationale": f"Reasons: {text}"}
    for text, kind in [
        ("The swing in the park is broken.", "damage"),
        ("Where do I pay my parking fine?", "question"),
        ("The roses smell sweet.", "praise"),
        ("Message 3.", "damage"),
    ]
]
ASKS = [
    {"id": "p", "message": "How do I pay a fine for parking?", "kind": "question"},
    {"id": "r", "message": "I smell roses.", "kind": "praise"},
]


def drawn(draw: str, count: int = 2, **more: object) -> dict[str, object]:
    exemplars = {"draw": draw, "count": count}
    return {"task.exemplars": POOL, "teacher.exemplars": exemplars, "data.test": None, **more}


def test_the_nearest_exemplars_are_shown_the_nearest_last(opened, endpoint: Endpoint):
    annotate(opened(drawn("nearest"), train=[*TRAIN, *ASKS]))
    last = {body["messages"][-1]["content"]: body["messages"][-3:-1] for body in endpoint.asked}
    assert [m["content"] for m in last["How do I pay a fine for parking?"]] == [
        "Where do I pay my parking fine?",
        "Reasons: Where do I pay my parking fine? So the answer is question.",
    ]
    assert last["I smell roses."][0]["content"] == "The roses smell sweet."
    assert last["Message 4."][0]["content"] == "Message 3."
    assert last["Message 3."][0]["content"] != "Message 3."
    assert all(len(body["messages"]) == 6 for body in endpoint.asked)


@pytest.mark.parametrize("draw", ["random", "nearest"])
def test_drawn_exemplars_pay_for_new_rows_alone(opened, endpoint: Endpoint, draw):
    annotate(opened(drawn(draw), train=TRAIN))
    heads = {json.dumps(body["messages"][:-1]) for body in endpoint.asked}
    assert len(heads) > 1
    mixed = [{**row, "id": f"new-{row['id']}"} for row in [*ASKS, *TRAIN[::-1]]]
    assert annotate(opened(drawn(draw), train=mixed)).answered == 2
    assert annotate(opened(drawn(draw, 3), train=TRAIN)).answered == 8


@pytest.mark.parametrize("draw", ["random", "nearest"])
def test_told_rows_and_explanations_are_shown_drawn_exemplars_too(opened, endpoint, draw):
    endpoint.otherwise = [says("Nice. So the answer is praise.")]
    for more in (TELLS, {"teacher.explain_wrong": True}):
        annotate(opened(drawn(draw, **more), train=TRAIN))
    asked = [
        body["messages"] for body in endpoint.asked if "Why?" in body["messages"][-1]["content"]
    ]
    assert len(asked) == len({json.dumps(messages) for messages in asked}) == 6
    for messages in asked:
        assert len(messages) == 6
        assert all("Why?" in m["content"] for m in messages if m["role"] == "user")
        assert messages[-1]["content"] not in [m["content"] for m in messages[:-1]]


def test_the_plan_tells_which_exemplars_are_shown(opened):
    shown = shown_plan(opened(drawn("nearest")))
    assert "\nexemplars   2 of 4 for each row, the most similar ones, the nearest last\n" in shown
    assert "\nexemplars   3 of 4 for each row, drawn at random\n" in shown_plan(
        opened(drawn("random", 3))
    )
    assert plan(opened(drawn("random", 4))).warnings[-1] == (
        "teacher.exemplars draws 4, and there are 4: every row is shown all"
    )


def test_the_plan_warns_of_rows_that_are_exemplars_too(opened):
    fixed = {"task.exemplars": POOL}
    assert plan(opened(fixed)).warnings == [
        "row 'a3': an exemplar is the same, so the teacher is shown the answer; take it out of the "
        "exemplars, or let teacher.exemplars draw them for each row"
    ]
    assert plan(opened({**fixed, **ZERO_SHOT})).warnings == []
    more = [*TRAIN, {"id": "again", "message": "message  3.", "kind": "damage"}]
    assert "row 'a3' and 1 more: an exemplar" in plan(opened(fixed, train=more)).warnings[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teacher.strategy": "cot"}, "teacher.strategy: 'cot': input should be 'few-shot', "
         "'zero-shot' or 'explain-label'"),
        ({"teacher.exemplars": {"draw": "best"}},
         "teacher.exemplars.draw: 'best': input should be 'fixed', 'random' or 'nearest'"),
        ({"teacher.exemplars": {"count": 4}}, "teacher.exemplars.count: 4: draw 'fixed' shows "
         "every exemplar; leave it out, or draw 'random' or 'nearest'"),
        ({"teacher.exemplars": {"draw": "random", "count": 0}},
         "teacher.exemplars.count: 0: input should be greater than 0"),
        ({"teacher.exemplars": {"draw": "random"}, **ZERO_SHOT},
         "teacher: strategy 'zero-shot' shows no exemplars; leave out 'exemplars'"),
        ({**TELLS, "teacher.explain_wrong": True}, "teacher: strategy 'explain-label' already "
         "shows the teacher every gold label; leave out 'explain_wrong'"),
        ({"teacher": {"kind": "recorded", "completions": ["x"], "strategy": "explain-label"}},
         "teacher: strategy 'explain-label' needs recorded explanations; name their files in "
         "'explanations'"),
        ({"teacher.exemplars": {"draw": "nearest"}, "task.exemplars": []},
         "teacher.exemplars draws from the task's exemplars, and there are none; write some, or "
         "leave it out"),
    ],
)  # fmt: skip
def test_a_strategy_that_cannot_be(write_experiment, changes, message):
    path = write_experiment(changes)
    with pytest.raises(ConfigError) as caught:
        open_experiment(path)
    assert without_line(caught.value) == f"{path}: {message}"
