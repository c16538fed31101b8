"""Counts of tokens that no call can have do not break a ledger."""

from pathlib import Path

import pytest

from distilwhy.core.cost import Usage
from distilwhy.core.parsing.completion import Completion
from distilwhy.store.ledger import Charge, Entry, open_ledger


def test_absurd_counts_in_a_ledger_count_as_none(tmp_path: Path):
    absurd = Completion("Why.", input_tokens=2**62, output_tokens=2**62)
    fine = Completion("Why.", input_tokens=5, output_tokens=3)
    with open_ledger(tmp_path / "ledger.sqlite") as ledger:
        entries = [Entry(bytes([i]), absurd) for i in range(4)]
        ledger.put([*entries, Entry(b"fine", fine)])
        assert ledger.billed() == [(Usage(5, 3), True)]
        ledger.forget([b"fine", *(entry.key for entry in entries)], "asked again")
        assert ledger.billed() == [(Usage(5, 3), True)]


def test_charges_are_added_up_beyond_what_sqlite_adds_up(tmp_path: Path):
    with open_ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.put([], [Charge("lost", Usage(2**62, 1), certain=False)] * 4)
        assert ledger.billed() == [(Usage(2**64, 4), False)]


@pytest.mark.parametrize("counted", [(5, None), (None, 5)])
def test_an_answer_with_half_a_count_is_not_counted(tmp_path: Path, counted):
    with open_ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.put([Entry(b"a", Completion("", "", *counted))])
        assert ledger.billed() == []
