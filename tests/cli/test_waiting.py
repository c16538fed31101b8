import time

import pytest

from distilwhy.cli import waiting
from distilwhy.cli.waiting import while_silent


def test_a_line_is_said_where_it_takes_long(monkeypatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(waiting, "SILENT_S", 0.01)
    with while_silent("reading the rows"):
        deadline = time.monotonic() + 20
        said = ""
        while not said and time.monotonic() < deadline:
            time.sleep(0.01)
            said = capsys.readouterr().err
    assert said == "reading the rows\n"


def test_nothing_is_said_where_it_is_quick_or_fails(capsys: pytest.CaptureFixture[str]):
    with while_silent("reading the rows"):
        pass
    with pytest.raises(ValueError), while_silent("reading the rows"):
        raise ValueError
    assert capsys.readouterr().err == ""
