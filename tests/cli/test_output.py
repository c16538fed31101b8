"""What reaches the terminal: none of the control characters of a teacher, an endpoint or a row."""

import json
import re
import sys
from pathlib import Path

import pytest

from commands import call
from distilwhy.cli import app, output
from distilwhy.cli.output import printable
from endpoint import Endpoint, fails, says

CLI = Path(app.__file__).parent
# A title, the clipboard, a cleared screen, a line written over, hidden and reversed text.
EVIL = "\x1b]0;title\x07 \x1b]52;c;QQ==\x1b\\ \x9b2J over\rwritten \x08 \u202egnp.exe\u2066"
UNSAFE = set("\x1b\x07\x9b\r\x08\u202e\u2066")
ROWS = [
    {"id": f"a{i}\x1b]0;id\x07", "message": f"Message {i}. {EVIL}", "kind": "damage"}
    for i in range(40)
]
TEST = [{**ROWS[0], "id": "t0", "message": "Other."}]
# What rich itself writes on a terminal.
CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def assert_safe(text: str) -> None:
    assert set(CODES.sub("", text).replace("\r\n", "\n")) & UNSAFE == set()


@pytest.fixture(params=["pipe", "terminal"])
def where(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "terminal":
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setattr("distilwhy.cli.screen.Live.start", lambda view: None)
    return str(request.param)


def test_no_command_prints_the_control_characters_of_a_teacher_or_a_row(
    opened, endpoint: Endpoint, where: str
):
    endpoint.otherwise = [says(f"Because {EVIL}. So the answer is damage.")]
    endpoint.plays = {ROWS[3]["message"]: [says(f"Who knows {EVIL}")]}
    file = opened(train=ROWS, test=TEST).file
    results = [
        call(*command)
        for command in (
            ("plan", file),
            ("annotate", file, "--yes"),
            ("annotations", file),
            ("annotations", file, "--problem", "any"),
            ("annotations", file, "--id", ROWS[3]["id"]),
            ("status", file),
        )
    ]
    for result in results:
        assert_safe(result.stdout)
        assert_safe(result.stderr)
    assert "gnp.exe" in results[0].stdout
    assert "title" in results[1].stderr


def test_json_escapes_control_characters_and_reads_back_the_same(opened, endpoint: Endpoint):
    endpoint.otherwise = [says(f"Because {EVIL} é\u200c. So the answer is damage.")]
    file = opened(train=ROWS, test=TEST).file
    call("annotate", file)
    for command in (("plan", file, "--json"), ("annotations", file, "--id", "t0", "--json")):
        shown = call(*command).stdout
        assert_safe(shown)
        assert "é\u200c" in shown or command[0] == "plan"
        json.loads(shown)
    [answer] = json.loads(call("annotations", file, "--id", "t0", "--json").stdout)
    assert "\u202egnp.exe\u2066" in answer["rationale"]


def test_an_error_does_not_print_the_control_characters_of_an_http_body(
    opened, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, capsys
):
    endpoint.otherwise = [fails(404, f"no such model {EVIL}")]
    monkeypatch.setattr(sys, "argv", ["distilwhy", "annotate", str(opened().file)])
    with pytest.raises(SystemExit):
        app.main()
    printed = capsys.readouterr().err
    assert "no such model" in printed
    assert_safe(printed)


def test_scripts_that_need_joiners_and_marks_are_printed_as_they_are():
    for text in ("می\u200cخواهم", "क्\u200dष", "👩\u200d🚀", "\u200fעברית\u200e", "a\tb\nc", "\xad"):
        assert printable(text) == text
    assert printable("one\r\ntwo\ud800") == "one\ntwo�"


def test_nothing_of_the_command_line_is_written_past_the_filter():
    writes = re.compile(r"typer\.echo|click\.echo|std(out|err)\.write|\bprint\(|\bConsole\(")
    found = [
        f"{file.relative_to(CLI)}: {line.strip()}"
        for file in CLI.rglob("*.py")
        for line in file.read_text(encoding="utf-8").splitlines()
        if writes.search(line) and file != Path(output.__file__)
    ]
    assert [line for line in found if "console.print(" not in line] == []
