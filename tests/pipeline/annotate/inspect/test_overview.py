"""What a ledger holds is counted, and rows are picked out of it."""

import json
from collections import Counter
from functools import partial

import pytest

from commands import call
from conftest import many
from distilwhy.errors import DataError
from distilwhy.pipeline.annotate.annotations import read_annotations, read_outcomes
from distilwhy.pipeline.annotate.inspect.listing import RowFilter, list_rows
from distilwhy.pipeline.annotate.inspect.overview import (
    LabelCount,
    Overview,
    VoteShare,
    read_overview,
)
from distilwhy.pipeline.annotate.records import iterate_rows
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import Experiment, open_experiment
from endpoint import Endpoint, fails, says

USAGE = {"prompt_tokens": 100, "completion_tokens": 20}
PRICES = {"currency": "EUR", "input": 10.0, "output": 50.0}
SETTINGS = {
    "methods": ["step-by-step"],
    "data.validation": 0.1,
    "data.test": None,
    "teacher.retries": 0,
    "teacher.gate": {"rows": 0},
    "prices": PRICES,
}
LONG = "Because it is so. " * 300


@pytest.fixture
def opened(opened, endpoint: Endpoint):
    """Opens an experiment of ten train rows, about some of which the teacher goes wrong."""
    endpoint.otherwise = [says(usage=USAGE)]
    endpoint.plays = {
        "Message 0.": [says("Nice. So the answer is praise.", usage=USAGE)],
        "Message 6.": [says("Who \x1b[31mknows. " + LONG, usage=USAGE)],
        "Message 2.": [says("So the answer is 'blue'.", usage=USAGE)],
        "Message 3.": [says("So the answer is 'red'.", usage=USAGE)],
        "Message 4.": [says("I would", finish_reason="length", usage=USAGE)],
        "Message 5.": [fails(400, "odd")],
    }
    return partial(opened, SETTINGS, train=many(10))


def test_everything_is_counted(opened):
    experiment = opened()
    annotate(experiment)
    found = read_overview(experiment)
    assert found.tallies == read_outcomes(experiment)
    problems = {(p.outcome, p.problem): p.count for p in found.problems}
    assert problems == {
        ("unparsed", "the answer names none of the choices"): 2,
        ("unparsed", "no answer is stated"): 1,
        ("truncated", "no answer is stated"): 1,
        ("failed", "HTTP 400: odd"): 1,
    }
    assert found.problems[0].row == "a2"
    assert found.problems[0].shown == "the answer names none of the choices: \"'blue'.\""
    assert found.spending is not None
    assert float(found.spending.certain) == pytest.approx(9 * (100 * 10 + 20 * 50) / 1e6)
    assert found.tokens == (900, 0, 180)
    assert found.latency is not None
    assert found.latency.calls == 9
    assert 0 < found.latency.p50 <= found.latency.p90 <= found.latency.p99
    assert found.labels == [LabelCount("damage", 4, 10), LabelCount("praise", 1, 0)]
    assert found.votes is None


def test_before_anything_is_asked(opened):
    found = read_overview(opened())
    assert found.tallies["train"].asked == 0
    assert (found.problems, found.labels, found.latency, found.first) == ([], [], None, "")
    assert call("annotations", opened().file).stdout.splitlines()[2].split() == ["ok", "0", "0"]


def test_votes_and_explanations_are_counted_too(opened, endpoint: Endpoint):
    endpoint.plays = {
        "Message 0.": [says("A. So the answer is praise."), says(), says()],
        "Message 6.": [says("A. So the answer is praise.")],
        "Message 6.\nThe right answer is damage. Why?": [
            says("It broke. So the answer is damage.")
        ],
    }
    sampled = {"teacher.samples": 3, "teacher.temperature": 0.7, "teacher.concurrency": 1}
    experiment = opened({**sampled, "teacher.explain_wrong": True})
    annotate(experiment)
    found = read_overview(experiment)
    assert found.votes == VoteShare(10, pytest.approx((9 + 2 / 3) / 10), 9)
    assert found.labels == [LabelCount("damage", 9, 10), LabelCount("praise", 1, 0)]
    assert found.explained == 1
    rows = {row.example.id: row for row in iterate_rows(experiment)}
    assert {i: row.annotation for i, row in rows.items()} == dict(read_annotations(experiment))
    assert len(rows["a6"].calls) == 4
    shown = call("annotations", experiment.file, "--id", "a6").stdout
    assert "gold because  It broke." in shown
    assert "votes         praise 100%" in shown


def test_labels_that_the_teacher_was_told_are_not_its_own(opened, endpoint: Endpoint):
    why = "Message {}.\nThe right answer is damage. Why?"
    endpoint.plays = {why.format(2): [says("So the answer is praise.")]}
    experiment = opened({"teacher.strategy": "explain-label"})
    annotate(experiment)
    found = read_overview(experiment)
    assert found.tallies == read_outcomes(experiment)
    assert found.tallies["train"].saw_gold == 9
    assert found.labels == [LabelCount("damage", 1, 1)]
    assert [p.problem for p in found.problems] == ["it was shown that … is right, but answers …"]
    rows = {row.example.id: row.annotation for row in iterate_rows(experiment)}
    assert rows == dict(read_annotations(experiment))
    assert "saw gold" in call("annotations", experiment.file).stdout


def test_options_of_their_own_are_counted_by_place(write_experiment, endpoint: Endpoint):
    rows = [
        {"id": f"r{i}", "message": f"M{i}", "kind": f"x{i}", "o": [f"x{i}", "y"]} for i in "abc"
    ]
    endpoint.plays = {"Ma": [says("So the answer is y.")]}
    endpoint.otherwise = [says("So the answer is (a).")]
    changes = {
        "task.answer": {"kind": "choice", "options": "o"},
        "task.exemplars": [],
        "teacher.base_url": endpoint.url,
        "data.test": None,
        "methods": ["label-distill"],
    }
    experiment = open_experiment(write_experiment(changes, train=rows))
    annotate(experiment)
    found = read_overview(experiment)
    assert found.by_place
    assert found.labels == [LabelCount("(a)", 2, 3), LabelCount("(b)", 1, 0)]


def ids(experiment: Experiment, **wanted: object) -> list[str]:
    return sorted(r.example.id for r in list_rows(experiment, RowFilter(**wanted)))  # type: ignore[arg-type]


def test_rows_are_picked_out(opened):
    experiment = opened()
    annotate(experiment)
    assert ids(experiment, problem="any") == ["a2", "a3", "a4", "a5", "a6"]
    assert ids(experiment, problem="unparsed") == ["a2", "a3", "a6"]
    assert ids(experiment, problem="NO answer") == ["a4", "a6"]
    assert ids(experiment, problem="'blue'") == ["a2"]
    assert ids(experiment, disagree=True) == ["a0"]
    assert ids(experiment, problem="failed", disagree=True) == []
    assert ids(experiment, ids=("a7", "a5")) == ["a5", "a7"]
    with pytest.raises(DataError, match=r"no row 'zz' among those that are annotated \(train, val"):
        ids(experiment, ids=("a7", "zz"))


def test_a_person_reads_it_at_80_columns(opened):
    file = opened().file
    annotate(opened())
    shown = call("annotations", file).stdout
    for part in ("0.018 EUR", "900 input, 180 output", "p99", "1  failed: HTTP 400: odd"):
        assert part in shown
    few = call("annotations", file, "--problem", "any", "--limit", 4).stdout
    assert "4 of 5 rows; --limit 5 shows all" in few
    listed = call("annotations", file, "--problem", "any").stdout
    assert " ".join(listed.split()).count("Because it is so.") == 21
    assert "more characters)" in listed
    whole = call("annotations", file, "--id", "a6").stdout
    assert " ".join(whole.split()).count("Because it is so.") == 300
    for text in (shown, listed, whole):
        assert max(map(len, text.splitlines())) <= 80
        assert "\x1b" not in text


def test_a_script_reads_it_as_json(opened):
    file = opened().file
    annotate(opened())
    found = json.loads(call("annotations", file, "--json").stdout)
    assert sum(tally["rows"] for tally in found["tallies"].values()) == 10
    assert found["spending"]["certain"] == pytest.approx(0.018)
    assert set(found) == set(Overview.__dataclass_fields__)
    listed = json.loads(call("annotations", file, "--problem", "any", "--json").stdout)
    assert Counter(row["outcome"] for row in listed) == {"unparsed": 3, "truncated": 1, "failed": 1}
    assert json.loads(call("annotations", file, "--problem", "nonesuch", "--json").stdout) == []


def test_the_plan_with_what_was_spent_as_json(opened):
    """Amounts of money are numbers there."""
    annotate(opened())
    found = json.loads(call("plan", opened().file, "--json").stdout)
    assert found["spent"] == {"certain": pytest.approx(0.018), "possible": 0.0}


def test_labels_that_are_equal_are_counted_as_gold_has_them(write_experiment, endpoint: Endpoint):
    endpoint.otherwise = [says("So the answer is 7 * 12.", usage=USAGE)]
    task = {"task.answer": {"kind": "equation"}, "task.exemplars": []}
    rows = [{"id": f"a{i}", "message": f"Message {i}.", "kind": "12 * 7"} for i in range(4)]
    changes = {**task, "data.test": None, "data.validation": 0.25}
    experiment = open_experiment(write_experiment(changes, train=rows), endpoint.url)
    annotate(experiment)
    assert read_overview(experiment).labels == [LabelCount("12 * 7", 4, 4)]


def test_a_split_that_was_not_asked_about_is_not_said_to_have_no_gold(opened):
    experiment = opened()
    annotate(experiment, limit=1)
    assert "no gold" not in call("annotations", experiment.file).output
