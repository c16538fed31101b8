"""Students trained and answers paid for by an older version stay valid.

These tests use the command line and files alone, so they do not depend on how the modules are
organised.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

MADE = Path(__file__).parent / "data/made-by-0.1.0"
NOWHERE = "http://127.0.0.1:9/v1"
STUDENTS = {
    ("main", "label-distill", 0),
    ("main", "step-by-step", 0),
    ("decoder", "label-distill", 0),
    ("decoder", "step-by-step", 0),
}
HOUR_S = 3600.0
NAMES = ("method", "baseline", "student", "labels")


class Endpoint:
    """A server on the loopback address that serves some files and refuses every other request.

    Attributes:
        files: What it serves, by path.
        refused: The requests it refused.
    """

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.refused: list[str] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                content = endpoint.files.get(self.path) if self.command == "GET" else None
                if content is None:
                    endpoint.refused.append(f"{self.command} {self.path}")
                body = (content or '{"error": {"message": "nothing may be asked"}}').encode()
                self.send_response(401 if content is None else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    served = Endpoint()
    thread = threading.Thread(target=served.server.serve_forever)
    thread.start()
    yield served
    served.server.shutdown()
    thread.join()
    served.server.server_close()
    assert served.refused == []


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A copy of what version 0.1.0 made."""
    return Path(shutil.copytree(MADE, tmp_path / "made"))


@pytest.fixture
def messages(made: Path, endpoint: Endpoint) -> Path:
    """The experiment with an HTTP teacher; a request to the teacher fails the test."""
    for name in ("experiment", "earlier", "waiting"):
        file = made / f"messages/{name}.yaml"
        file.write_text(file.read_text(encoding="utf-8").replace(NOWHERE, endpoint.url))
    return made / "messages"


def distilwhy(*arguments: object) -> str:
    """Run a command; return what it prints."""
    environment = {name: v for name, v in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(
        [sys.executable, "-m", "distilwhy", *map(str, arguments)],
        env={**environment, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ask_json(command: str, file: Path) -> dict[str, Any]:
    return dict(json.loads(distilwhy(command, file, "--json")))


def read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def leaves(value: object, *path: object) -> Iterator[tuple[tuple[object, ...], object]]:
    """The values in a JSON value, each with its path; sentences are left out."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, *path, key)
    elif not isinstance(value, str) or not {*NAMES}.isdisjoint(path):
        yield path, value


def assert_same_figures(found: dict[str, Any], made: dict[str, Any]) -> None:
    """All that was ``made`` must be ``found`` again; newer versions may add keys."""
    ours, theirs = dict(leaves(found)), dict(leaves(made))
    numbers = {path for path, value in theirs.items() if isinstance(value, int | float)}
    for path in numbers:
        assert ours.pop(path) == pytest.approx(theirs.pop(path), rel=1e-6), path
    assert {path: ours.get(path) for path in theirs} == theirs


def files_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    """The files in a folder: when each was written, and its bytes."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def answers_of(run: Path) -> set[tuple[bytes, str, str, str | None, int | None]]:
    """The answers in a ledger: key, row, text, error and output tokens."""
    with closing(sqlite3.connect(run / "ledger.sqlite")) as ledger:
        query = "SELECT key, example, text, error, output_tokens FROM completions"
        return set(ledger.execute(query))


def labels_of(run: Path) -> dict[str, list[tuple[str, str | None]]]:
    """Each student's answers to the test rows."""
    return {
        path.name: [(row["example_id"], row["label"]) for row in read(path)["predictions"]]
        for path in (run / "predictions").glob("*.json")
        if ".explained" not in path.name
    }


def test_nothing_is_to_be_asked_and_nothing_to_be_trained(made: Path):
    plan = ask_json("plan", made / "messages/experiment.yaml")
    assert (plan["calls"], plan["answered"], plan["repaid"]) == (45, 45, 0)
    assert (plan["students"], plan["to_train"]) == (2, [])
    assert (plan["compared"], plan["to_compare"]) == (8, [])
    assert plan["spent"]["certain"] == pytest.approx(0.02139)
    assert plan["spent"]["possible"] == pytest.approx(0.01251625)


def test_students_count_as_trained_and_answers_as_read(made: Path):
    found = ask_json("status", made / "messages/experiment.yaml")
    students = {(s["student"] or "main", s["method"], s["seed"]) for s in found["students"]}
    assert students == STUDENTS
    assert {student["state"] for student in found["students"]} == {"trained"}
    results = read(MADE / "messages/run/results.json")
    assert_same_figures(found["teacher"], results["teacher"])
    assert_same_figures(found["results"], results)


def test_a_run_asks_and_trains_nothing_and_finds_the_same(messages: Path):
    answers = answers_of(messages / "run")
    assert len(answers) == 51
    found = find_again("run", messages / "experiment.yaml", "--yes")
    assert found == {"asked again": 4, "not asked": 4}
    assert answers_of(messages / "run") == answers


def test_students_are_scored_as_before(made: Path):
    found = find_again("evaluate", made / "places/experiment.yaml")
    assert found == {"asked again": 3, "not asked": 2}


def find_again(command: str, file: Path, *options: str) -> dict[str, int]:
    """Compute the results again after deleting every other student's answers.

    The students' files, their answers and their scores must not change; students that are asked
    again get a calibration beside their files.
    """
    run, made = file.parent / "run", MADE / file.parent.name / "run"
    students, said = files_of(run / "students"), labels_of(run)
    taken = sorted(said)[::2]
    for name in taken:
        (run / "predictions" / name).unlink()
    kept = files_of(run / "predictions")
    distilwhy(command, file, *options, "--workers", 1)
    trained = files_of(run / "students")
    assert {name: trained[name] for name in students} == students
    new = {name for name in trained if name not in students}
    assert new == {f"{name.removesuffix('.json')}/deploy.json" for name in taken}
    assert labels_of(run) == said
    assert_same_figures(read(run / "results.json"), read(made / "results.json"))
    hashes, before = (read(path / "measured.json")["how"]["hashes"] for path in (run, made))
    assert hashes == before
    now = files_of(run / "predictions")
    assert {name: now[name] for name in kept} == kept
    return {"asked again": len(taken), "not asked": len(said) - len(taken)}


@pytest.mark.parametrize("name", ["messages", "places"])
def test_annotations_are_read_as_before(made: Path, name: str):
    target = made / "exported.jsonl"
    distilwhy("annotations", made / name / "experiment.yaml", "--export", target)
    assert read_lines(target) == read_lines(MADE / name / "annotations.jsonl")


def test_answers_in_earlier_words_are_still_known(made: Path):
    file, target = made / "messages/earlier.yaml", made / "earlier.jsonl"
    plan = ask_json("plan", file)
    assert (plan["answered"], plan["repaid"]) == (5, 33)
    distilwhy("annotations", file, "--export", target)
    outcomes = [answer["outcome"] for answer in read_lines(target)]
    assert (len(outcomes), outcomes.count("failed")) == (6, 1)


def test_a_batch_under_way_is_fetched(messages: Path, endpoint: Endpoint):
    file, ledger = messages / "waiting.yaml", messages / "run-waiting/ledger.sqlite"
    plan = ask_json("plan", file)
    assert (plan["calls"], plan["answered"], plan["under_way"]) == (38, 4, 34)
    assert ask_json("status", file)["under_way"] == {"batches": 1, "calls": 34}
    with closing(sqlite3.connect(ledger)) as connection, connection:
        [(batch,)] = connection.execute("SELECT id FROM batches").fetchall()
        keys = [key.hex() for (key,) in connection.execute("SELECT key FROM batched")]
        connection.execute("UPDATE batches SET address = ?", (endpoint.url,))
    ended = {"id": batch, "status": "completed", "output_file_id": "answers"}
    ended["request_counts"] = {"total": 34, "completed": 34, "failed": 0}
    endpoint.files = {
        f"/v1/batches/{batch}": json.dumps(ended),
        "/v1/files/answers/content": "".join(map(reply_to, keys)),
    }
    distilwhy("annotate", file, "--yes")
    plan = ask_json("plan", file)
    assert (plan["answered"], plan["under_way"]) == (38, 0)


def reply_to(call: str) -> str:
    """One line of a batch's output file."""
    message = {"role": "assistant", "content": "Why. So the answer is praise."}
    body = {"choices": [{"index": 0, "finish_reason": "stop", "message": message}]}
    line = {"custom_id": call, "response": {"status_code": 200, "body": body}, "error": None}
    return json.dumps(line) + "\n"


def test_a_student_trained_again_is_taught_the_same(messages: Path):
    students = messages / "run/students"
    before = files_of(students)
    student = students / "step-by-step-seed0"
    log, fingerprint = read_lines(student / "training.jsonl"), fingerprint_of(student)
    shutil.rmtree(student)
    distilwhy("train", messages / "experiment.yaml", "--workers", 1)
    assert fingerprint_of(student) == fingerprint
    # Rounding differs between machines, and adds up over a training.
    first, again = log[0]["losses"], read_lines(student / "training.jsonl")[0]["losses"]
    assert again == pytest.approx(first, rel=0.05)
    others = {name for name in before if not name.startswith(student.name)}
    after = files_of(students)
    assert {name: after[name] for name in others} == {name: before[name] for name in others}


def fingerprint_of(student: Path) -> str:
    return str(read(student / "training.json")["fingerprint"])


def test_a_stopped_training_goes_on(made: Path):
    file, students = made / "places/experiment.yaml", made / "places/run/students"
    states = [student["state"] for student in ask_json("status", file)["students"]]
    assert (states.count("trained"), states.count("unfinished")) == (5, 1)
    before = files_of(students)
    distilwhy("train", file, "--workers", 1)
    after = files_of(students)
    trained = {name for name in before if not name.startswith(".")}
    assert {name: after[name] for name in trained} == {name: before[name] for name in trained}
    assert [name for name in after if name.startswith(".")] == []
    # The clock in the checkpoint has an hour added to it.
    assert read(students / "step-by-step-seed1/training.json")["seconds"] >= HOUR_S
