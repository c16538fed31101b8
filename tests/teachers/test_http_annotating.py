"""Annotating through the HTTP teacher."""

import json

import pytest

from conftest import many
from distilwhy.errors import TeacherError
from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.gate import require_parsed
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import open_experiment
from endpoint import (
    Endpoint,
    fails,
    says,
    sends,
    stalls,
)

KEY = "sk-s3cret-s3cret-s3cret"
EXPERIMENT = {"methods": ["step-by-step"], "teacher.retries": 1}


def test_a_row_with_status_403_fails_alone(write_experiment, endpoint: Endpoint):
    endpoint.plays["Message 0."] = [fails(403, "not this one")]
    experiment = open_experiment(write_experiment(EXPERIMENT, train=many(12)), endpoint.url)
    assert annotate(experiment).failed == 1
    assert read_annotations(experiment)["a0"].problem == "HTTP 403: not this one"
    assert annotate(experiment).failed == 1


def test_status_403_for_every_row_ends_the_run(write_experiment, endpoint: Endpoint):
    endpoint.otherwise = [fails(403, "no access")]
    experiment = open_experiment(write_experiment(EXPERIMENT, train=many(12)), endpoint.url)
    with pytest.raises(TeacherError, match=r"calls have all failed \(HTTP 403: no access\)"):
        annotate(experiment)


@pytest.mark.parametrize("concurrency", [1, 5])
def test_no_more_calls_are_under_way_than_allowed(
    endpoint: Endpoint, write_experiment, concurrency
):
    endpoint.otherwise = [stalls(0.05)]
    path = write_experiment({**EXPERIMENT, "teacher.concurrency": concurrency}, train=many(12))
    annotate(open_experiment(path, base_url=endpoint.url))
    assert len(endpoint.asked) == 16
    assert endpoint.most_at_once == concurrency


@pytest.mark.parametrize(
    ("trouble", "error", "tries"),
    [(fails(400, "no temperature"), "HTTP 400: no temperature", 1), (fails(500), "HTTP 500", 2)],
)
def test_an_endpoint_that_fails_every_call_ends_the_run(
    endpoint: Endpoint, write_experiment, trouble, error, tries
):
    endpoint.otherwise = [trouble]
    experiment = open_experiment(write_experiment(EXPERIMENT, train=many(40)), endpoint.url)
    with pytest.raises(TeacherError, match=f"the last 5 calls have all failed .{error}"):
        annotate(experiment)
    assert len(endpoint.asked) <= tries * (5 + 2 * experiment.config.teacher.concurrency)


def test_a_few_rows_that_all_fail_train_nothing(endpoint: Endpoint, write_experiment):
    endpoint.otherwise = [fails(400, "no temperature")]
    path = write_experiment({**EXPERIMENT, "data.test": None}, train=many(3))
    experiment = open_experiment(path, endpoint.url)
    assert annotate(experiment).failed == 3
    with pytest.raises(TeacherError) as caught:
        require_parsed(read_annotations(experiment))
    assert str(caught.value) == (
        "3 of 3 answers could not be parsed, so nothing is trained; row 'a0' is failed: HTTP 400: "
        "no temperature; look at all with 'distilwhy annotations EXP.yaml --problem any', then "
        "correct the prompt or the answer kind, or use a better teacher"
    )


def test_the_key_is_never_written_to_disk_or_shown(
    endpoint: Endpoint, write_experiment, monkeypatch, capfd
):
    """Not even by a server that says it back, in answers and in errors."""
    monkeypatch.setenv("MY_KEY", KEY)
    endpoint.otherwise = [says(f"You sent {KEY}. So the answer is damage.")]
    endpoint.plays = {
        "Message 1.": [fails(400, f"bad key {KEY}")],
        "Message 2.": [sends(f"{KEY} {{broken")],
        "Message 3.": [fails(500, KEY * 20)],
        "Message 4.": [says(None, refusal=f"No, {KEY}.")],
    }
    changes = {**EXPERIMENT, "teacher.api_key_env": "MY_KEY"}
    experiment = open_experiment(write_experiment(changes, train=many(12)), endpoint.url)
    progress = annotate(experiment)
    assert (progress.answered, progress.failed) == (13, 3)
    annotations = read_annotations(experiment)
    assert annotations["a0"].rationale == "You sent ***."
    assert annotations["a1"].problem == "HTTP 400: bad key ***"
    endpoint.plays = {f"Message {i}.": [fails(401, f"bad key {KEY}")] for i in range(12)}
    with pytest.raises(TeacherError) as caught:
        annotate(experiment)
    assert "bad key ***" in str(caught.value)
    assert "s3cret" not in repr(caught.value) + repr(experiment) + repr(annotations)
    files = [path for path in experiment.folder.path.rglob("*") if path.is_file()]
    assert {"ledger.sqlite", "experiment.yaml"} <= {path.name for path in files}
    assert all(b"s3cret" not in path.read_bytes() for path in files)
    shown = capfd.readouterr()
    assert "s3cret" not in shown.out + shown.err


def test_a_lone_surrogate_does_not_break_the_ledger(endpoint: Endpoint, write_experiment):
    choice = {
        "message": {"content": "Why \ud83d. So the answer is damage."},
        "finish_reason": "stop",
    }
    endpoint.otherwise = [sends(json.dumps({"choices": [choice]}))]
    experiment = open_experiment(write_experiment(EXPERIMENT), endpoint.url)
    assert annotate(experiment).answered == 12
    assert read_annotations(experiment)["a0"].rationale == "Why ?."
