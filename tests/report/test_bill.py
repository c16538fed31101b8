"""The bill in words."""

from dataclasses import replace

import pytest
import yaml

from distilwhy.core.cost import Bill, Prices
from distilwhy.report.bill import PRICES
from distilwhy.report.page import render_page
from distilwhy.report.summary import render_summary
from page_text import Page, squeeze
from results import THREE, make_bill, make_results


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"prices": None}, "Add them under “prices”"),
        ({"counted": 0}, "did not report how many tokens it read and wrote"),
        ({"calls": 0}, "nothing to bill"),
    ],
)
def test_unknown_costs_come_with_a_reason_and_without_rows_for_them(change, said):
    usage = make_bill().usage
    if "prices" not in change:
        usage = replace(usage, **change)
    bill = Bill(usage=usage, prices=None if "prices" in change else make_bill().prices)
    results = replace(make_results(THREE, sizes=(1000,)), bill=bill)
    page = Page(render_page(results, []))
    shown = squeeze(page.sections["bill"])
    assert said in shown
    for line in ("Spent on", "1,000 rows", "Machine time", "has paid for itself"):
        assert line not in shown
    assert ("machine_hour: 0.30" in shown) == ("prices" in change)
    assert said in render_summary(results)


def test_the_suggested_prices_are_valid():
    assert Prices(**yaml.safe_load(PRICES)["prices"]).input == 2.5


def test_a_student_that_is_no_cheaper_never_pays_for_itself():
    bill = replace(make_bill(), break_even=None, student_per_1000=5.0)
    results = replace(make_results(THREE, sizes=(1000,)), bill=bill)
    shown = squeeze(Page(render_page(results, [])).sections["bill"])
    assert "has paid for itself never the student costs at least as much per row" in shown


@pytest.mark.parametrize(
    ("pace", "said"),
    [
        (406.0, "rows per second 406 the student is 2 times as fast"),
        (15_000.0, "Teacher, rows per second 15.0 k Spent"),
        (None, "Student, rows per second 812 Spent"),
    ],
)
def test_speeds_are_compared_only_where_the_student_is_the_faster(pace, said):
    bill = make_bill()
    bill = replace(bill, usage=replace(bill.usage, teacher_rows_per_second=pace))
    results = replace(make_results(THREE, sizes=(1000,)), bill=bill)
    assert said in squeeze(Page(render_page(results, [])).sections["bill"])
