import subprocess
import sys

import pytest

from distilwhy.config import HttpTeacherConfig
from distilwhy.core.parsing.completion import Completion
from distilwhy.core.prompt import Message, Prompt, PromptPrefix
from distilwhy.errors import RunError
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.store.ledger import Entry, call_key, open_ledger
from distilwhy.store.run_folder import RunFolder
from distilwhy.teachers.http import HttpTeacher

ANSWER = Completion("Why. So the answer is “é” 🙂.", "stop", 12, 7)
FAILURE = Completion("", error="HTTP 500: down")


def test_what_is_put_can_be_read(tmp_path):
    with open_ledger(tmp_path / "ledger.sqlite") as ledger:
        assert ledger.get(["a"]) == {}
        ledger.put([Entry("a", ANSWER), Entry("b", FAILURE)])
        assert ledger.get(["a", "b", "c", "a"]) == {"a": ANSWER, "b": FAILURE}
    with open_ledger(tmp_path / "ledger.sqlite") as ledger:
        assert ledger.get(["a"]) == {"a": ANSWER}


def test_many_keys_are_read_at_once(tmp_path):
    with open_ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.put(Entry(str(i), Completion(f"text {i}")) for i in range(1700))
        found = ledger.get(str(i) for i in range(3000))
    assert len(found) == 1700
    assert found["1699"].text == "text 1699"


def test_an_answer_is_never_replaced(tmp_path):
    with open_ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.put([Entry("a", ANSWER)])
        ledger.put([Entry("a", Completion("another")), Entry("a", FAILURE)])
        assert ledger.get(["a"]) == {"a": ANSWER}


def test_an_empty_answer_is_an_answer(tmp_path):
    with open_ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.put([Entry("a", Completion(""))])
        ledger.put([Entry("a", ANSWER)])
        assert ledger.get(["a"]) == {"a": Completion("")}


def test_a_failed_call_may_be_replaced(tmp_path):
    with open_ledger(tmp_path / "ledger.sqlite") as ledger:
        for latest in (FAILURE, Completion("", error="HTTP 503: busy"), ANSWER):
            ledger.put([Entry("a", latest)])
            assert ledger.get(["a"]) == {"a": latest}


def test_entries_are_written_all_or_none(tmp_path):
    cannot_be_kept = Entry("b", Completion("x", input_tokens=2**64))
    with open_ledger(tmp_path / "ledger.sqlite") as ledger:
        with pytest.raises(OverflowError):
            ledger.put([Entry("a", ANSWER), cannot_be_kept])
        assert ledger.get(["a", "b"]) == {}


@pytest.mark.parametrize(
    ("said", "kept"),
    [("half \ud83d", "half ?"), ("nul \0 and tail", "nul \0 and tail"), ("\u2028", "\u2028")],
)
def test_no_character_loses_an_answer(tmp_path, said, kept):
    with open_ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.put([Entry("a", Completion(said, said)), Entry("b", Completion("", error=said))])
        assert ledger.get(["a", "b"]) == {
            "a": Completion(kept, kept),
            "b": Completion("", error=kept),
        }


CONFIG = HttpTeacherConfig(kind="chat", base_url="http://127.0.0.1:9/v1", model="m")
PREFIX = PromptPrefix((Message("system", "Sort."),))
PROMPT = Prompt("1", PREFIX, "hello")


def key(config: HttpTeacherConfig = CONFIG, prompt: Prompt = PROMPT, sample: int = 0) -> bytes:
    return call_key(HttpTeacher(config).request(prompt), sample)


def test_a_key_does_not_depend_on_the_row_id():
    assert key(prompt=Prompt("another id", PREFIX, "hello")) == key()


@pytest.mark.parametrize(
    "changes",
    [
        {"base_url": "https://elsewhere.test/v1"},
        {"api_key_env": "MY_KEY"},
        {"concurrency": 64},
        {"timeout": 1.0},
        {"retries": 0},
        {"annotate": ["train"]},
        {"samples": 3},
        {"explain_wrong": True},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_key_ignores_settings_that_cannot_affect_answers(changes):
    assert key(CONFIG.model_copy(update=changes)) == key()


def test_a_key_depends_on_all_that_decides_an_answer():
    changed = [
        key(CONFIG.model_copy(update=changes))
        for changes in (
            {"kind": "completion"},
            {"model": "another"},
            {"temperature": 0.7},
            {"temperature": None},
            {"max_tokens": 100},
            {"stop": []},
            {"extra": {"seed": 1}},
        )
    ]
    question, turn = "hello", Message("user", "hello")
    prompts = [
        Prompt("1", PromptPrefix(()), question),
        Prompt("1", PromptPrefix((Message("system", "Sort!"),)), question),
        Prompt("1", PREFIX, "Hello"),
        Prompt("1", PromptPrefix((*PREFIX.messages, turn)), question),
        Prompt("1", PromptPrefix((Message("user", "Sort."),)), question),
    ]
    changed += [key(prompt=prompt) for prompt in prompts]
    changed += [key(sample=1), key(sample=2)]
    assert len({key(), *changed}) == 1 + len(changed)


def test_a_key_does_not_depend_on_the_order_of_names():
    assert call_key({"a": 1, "b": {"c": 2, "d": 3}}) == call_key({"b": {"d": 3, "c": 2}, "a": 1})


HOLD = """
import sys
from pathlib import Path
from distilwhy.store.run_folder import RunFolder

with RunFolder(Path(sys.argv[1])).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_processes_cannot_share_a_run_folder(write_experiment):
    experiment = open_experiment(write_experiment())
    folder = experiment.folder.path
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"held\n"
        with pytest.raises(RunError) as caught:
            annotate(experiment)
        assert str(caught.value) == (
            f"{folder}: another distilwhy process is working in this run folder; wait for it to "
            "end, or give this experiment another 'out'"
        )
        first.kill()
    with RunFolder(folder).lock():
        assert folder.is_dir()


def test_a_run_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError) as caught, RunFolder(tmp_path / "file" / "run").lock():
        pass
    assert str(caught.value) == (
        f"{tmp_path / 'file' / 'run'}: cannot be created or written (Not a directory); "
        "give this experiment another 'out'"
    )
