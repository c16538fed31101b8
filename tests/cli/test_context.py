import time

import pytest

from distilwhy.cli import context
from distilwhy.cli.context import notice_if_slow


def test_a_slow_block_prints_its_notice(monkeypatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(context, "SLOW_AFTER_S", 0.01)
    with notice_if_slow("reading the rows"):
        deadline = time.monotonic() + 20
        printed = ""
        while not printed and time.monotonic() < deadline:
            time.sleep(0.01)
            printed = capsys.readouterr().err
    assert printed == "reading the rows\n"


def test_a_block_that_is_quick_or_fails_prints_nothing(capsys: pytest.CaptureFixture[str]):
    with notice_if_slow("reading the rows"):
        pass
    with pytest.raises(ValueError), notice_if_slow("reading the rows"):
        raise ValueError
    assert capsys.readouterr().err == ""
