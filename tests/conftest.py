"""What many tests need: an experiment in a folder, and an endpoint that plays a script."""

import copy
import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from distilwhy.pipeline.experiment import Experiment, open_experiment
from endpoint import Endpoint

pytest_plugins = ["batching", "served_student", "small_disk"]

Rows = Sequence[Mapping[str, object]] | str
WriteExperiment = Callable[..., Path]
OpenExperiment = Callable[..., Experiment]

# A shell that starts the tests in the background has them, and all that they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
# As the command line has it, before torch is loaded: threads that spin stall one another.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# The files that take longest.
LONGEST = ("test_kill.py", "test_older_versions.py", "test_distributed.py", "test_site.py")

DROP = object()
EXPERIMENT: dict[str, object] = {
    "task": {
        "instruction": "Sort the message.",
        "input": "{{ message }}",
        "gold": "kind",
        "answer": {"kind": "choice", "labels": ["damage", "question", "praise"]},
        "exemplars": [
            {"message": "The swing broke.", "kind": "damage", "rationale": "Something is broken."}
        ],
    },
    "data": {"train": "train.jsonl", "validation": 0.25, "test": "test.jsonl"},
    "teacher": {
        "kind": "chat",
        "base_url": "http://127.0.0.1:9/v1",
        "model": "m",
        "structured": False,
    },
    "methods": ["finetune", "step-by-step"],
    "out": "run",
}
KINDS = ("damage", "question", "praise")
TRAIN = [{"id": f"a{i}", "message": f"Message {i}.", "kind": KINDS[i % 3]} for i in range(8)]
TEST = [{"id": f"t{i}", "message": f"Other {i}.", "kind": KINDS[i % 3]} for i in range(4)]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files are begun first, so that no process is left alone with one in the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


def many(count: int, first: int = 0) -> list[dict[str, object]]:
    """Rows ``a0``, ``a1``, … whose gold label is what ``endpoint`` answers."""
    numbers = range(first, first + count)
    return [{"id": f"a{i}", "message": f"Message {i}.", "kind": "damage"} for i in numbers]


def dump_rows(rows: Rows) -> str:
    """Rows as JSONL; a text as it is."""
    return rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture(autouse=True)
def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Students are trained in this process, unless a test asks for several at a time: starting
    processes takes longer than training what tests train."""
    for stage in ("train.run", "evaluate.predictions"):
        monkeypatch.setattr(
            f"distilwhy.pipeline.{stage}.count_workers", lambda wanted, memory: wanted or 1
        )


@pytest.fixture
def write_experiment(tmp_path: Path) -> WriteExperiment:
    """Writes ``exp.yaml`` and its rows, with some keys changed.

    ``write_experiment({"teacher.model": "x", "task.gold": DROP}, train=rows)``
    """

    def write(
        changes: Mapping[str, object] | None = None, train: Rows = TRAIN, test: Rows = TEST
    ) -> Path:
        experiment = copy.deepcopy(EXPERIMENT)
        for path, value in (changes or {}).items():
            *parents, last = path.split(".")
            place = experiment
            for parent in parents:
                place = place[parent]  # type: ignore[assignment]
            place.pop(last, None) if value is DROP else place.update({last: value})
        (tmp_path / "train.jsonl").write_text(dump_rows(train), encoding="utf-8")
        (tmp_path / "test.jsonl").write_text(dump_rows(test), encoding="utf-8")
        (tmp_path / "exp.yaml").write_text(yaml.safe_dump(experiment), encoding="utf-8")
        return tmp_path / "exp.yaml"

    return write


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """An endpoint on the loopback address; no proxy stands before it, and pauses are short."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr("distilwhy.pipeline.annotate.transports.dispatcher.FIRST_PAUSE_S", 0.001)
    with Endpoint() as served:
        yield served


@pytest.fixture
def opened(write_experiment: WriteExperiment, endpoint: Endpoint) -> OpenExperiment:
    """Writes an experiment that asks ``endpoint``, and opens it.

    ``opened({"teacher.retries": 0}, {"data.test": None}, train=rows)``; of several changes to one
    key the last holds.
    """

    def opens(*changes: Mapping[str, object], **rows: Rows) -> Experiment:
        settings: dict[str, object] = {"teacher.base_url": endpoint.url}
        for more in changes:
            settings |= more
        return open_experiment(write_experiment(settings, **rows))

    return opens
