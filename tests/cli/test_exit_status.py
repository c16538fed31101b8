"""The exit status of a command that leaves rows ``failed``."""

import pytest

from commands import call
from conftest import many
from endpoint import Endpoint, fails

LINE = (
    "2 rows failed. Run 'distilwhy annotate' again to ask about them again, or see 'distilwhy "
    "annotations --problem failed'.\n"
)


@pytest.fixture
def file(write_experiment, endpoint: Endpoint):
    endpoint.plays = {f"Message {i}.": [fails(400, "no")] for i in (1, 3)}
    changes = {"methods": ["step-by-step"], "teacher.base_url": endpoint.url, "data.test": None}
    return write_experiment(changes, train=many(8))


def test_annotate_exits_with_status_3_if_rows_are_left_failed(file, endpoint: Endpoint):
    found = call("annotate", file, fails=True)
    assert found.exit_code == 3
    assert found.stderr.endswith(LINE)
    assert "failed" in found.stdout
    endpoint.plays = {}
    assert call("annotate", file).exit_code == 0


def test_a_retry_exits_with_status_3_if_rows_are_left_failed(file):
    call("annotate", file, fails=True)
    found = call("annotations", file, "--retry", "failed", "--yes", fails=True)
    assert found.exit_code == 3
    assert found.stderr.endswith(LINE)


def test_a_run_exits_with_status_3_after_it_has_done_the_rest(file, write_experiment, endpoint):
    scratch = {"width": 32, "layers": 1, "heads": 2, "feedforward": 64, "vocabulary": 300}
    changes = {
        "methods": ["finetune", "step-by-step"],
        "teacher.base_url": endpoint.url,
        "student": {"model": "scratch", "scratch": scratch},
        "training": {"steps": 2, "batch_size": 2, "evaluate_every": 1},
    }
    path = write_experiment(changes, train=many(8))
    found = call("run", path, "--yes", fails=True)
    assert found.exit_code == 3, found.output
    assert "step-by-step" in found.stdout
    assert found.stderr.endswith(LINE)


def test_completions_that_were_not_recorded_change_no_exit_status(write_experiment, tmp_path):
    (tmp_path / "said.jsonl").write_text('{"id": "a0", "completion": "So the answer is damage."}')
    recorded = {"kind": "recorded", "completions": ["said.jsonl"]}
    path = write_experiment({"teacher": recorded, "data.test": None}, train=many(4))
    assert call("annotate", path).exit_code == 0
