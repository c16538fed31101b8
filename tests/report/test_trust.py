"""The part of the report about confidences and the cascade."""

from dataclasses import replace

import pytest

from distilwhy.core.results import Results
from distilwhy.core.stats.calibration import Calibration
from distilwhy.report.page import render_page
from distilwhy.report.summary import render_summary
from distilwhy.report.trust import (
    calibration_words,
    reliability_records,
    share_records,
    trust_figures,
    trust_rows,
)
from page_text import Page
from results import THREE, make_results


@pytest.fixture(scope="module")
def results() -> Results:
    made = make_results(THREE)
    return replace(made, bill=replace(made.bill, method="step-by-step"))


def read(results: Results) -> str:
    """The text of the section; "" without one."""
    return " ".join(Page(render_page(results, [])).sections.get("trust", "").split())


def test_the_student_to_deploy_is_the_one_that_is_priced(results: Results):
    assert results.deployed is not None
    assert results.deployed.method == "step-by-step"
    others = [one for one in results.deployments if one.method != "step-by-step"]
    first = replace(results, deployments=others).deployed
    assert first is not None
    assert first.method == "finetune"


def test_the_page_has_the_sentence_the_errors_and_a_row_for_each_method(results: Results):
    text = read(results)
    assert results.cascade in text
    assert calibration_words(results.deployed) in text
    for row in trust_rows(results):
        assert f"{row.method} {row.before} {row.after}" in text


def test_the_summary_has_the_sentence_and_the_errors(results: Results):
    text = render_summary(results).replace("\\", "")
    assert results.cascade in text
    assert calibration_words(results.deployed) in text


def test_without_confidences_nothing_is_shown(results: Results):
    older = replace(results, deployments=[])
    assert read(older) == ""
    assert "#trust" not in render_page(older, []).partition("<nav")[2].partition("<main>")[0]
    assert "When to trust it" not in render_summary(older)
    assert list(trust_figures(older)) == []


def test_confidences_that_need_no_calibration_are_said_to_be_used_as_given(results: Results):
    assert results.deployed is not None
    same = replace(results.deployed.deployment, calibration=Calibration("temperature", 200))
    said = calibration_words(replace(results.deployed, deployment=same))
    assert said.endswith(
        " points. Its confidences are used as given, since on 200 validation rows no calibration "
        "fits better."
    )
    assert "after temperature scaling on 400 validation rows" in calibration_words(results.deployed)


def test_a_method_without_a_cascade_says_so(results: Results):
    shares = {row.method: row.share for row in trust_rows(results)}
    assert shares["finetune"] == ""
    assert "no cascade" in read(results)
    finetune = next(one for one in results.deployments if one.method == "finetune")
    text = read(replace(results, deployments=[finetune]))
    assert "No cascade for finetune: " in text
    assert "Answers alone" not in text


def test_each_one_who_answers_has_a_line_over_all_shares(results: Results):
    assert results.deployed is not None
    lines: dict[object, list[object]] = {}
    for record in share_records(results.deployed):
        lines.setdefault(record["who"], []).append(record["share"])
    assert list(lines) == ["cascade", "teacher", "student alone"]
    assert [len(shares) for shares in lines.values()] == [21, 21, 20]
    alone = replace(
        results.deployed,
        teacher=None,
        curve=[replace(point, cascade=None) for point in results.deployed.curve],
    )
    assert {record["who"] for record in share_records(alone)} == {"student alone"}


def test_the_bins_before_and_after_are_of_all_test_rows(results: Results):
    assert results.deployed is not None
    rows: dict[object, int] = {}
    for record in reliability_records(results.deployed):
        rows[record["which"]] = rows.get(record["which"], 0) + int(str(record["rows"]))
    assert rows == {"as given": 1500, "calibrated": 1500}
