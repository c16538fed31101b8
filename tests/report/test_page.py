"""The report's page as text; ``test_report_browser.py`` opens it in a browser."""

import json
import re
from dataclasses import replace
from itertools import pairwise

import pytest

from distilwhy.core.results import LabelScore
from distilwhy.report.page import render_page
from distilwhy.report.summary import render_summary
from page_text import Page, squeeze
from result_variants import add_student, open_answers, parse_few
from results import THREE, make_cases, make_results

HOSTILE = (
    "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> & \"'\u2028 ü 日本 🎈"
)


@pytest.fixture(scope="module")
def page():
    return Page(render_page(make_results(), make_cases(30)))


def test_sections_are_in_reading_order(page):
    assert list(page.sections) == [
        "verdict", "curve", "scores", "trust", "bill", "confusions", "rows", "provenance",
    ]  # fmt: skip
    assert page.headings[0] == ["h1", "Routing at Lanternbay's help desk"]
    assert next(name for tag, name in page.headings if tag == "h2") == "Verdict"
    levels = [int(tag[1]) for tag, _ in page.headings]
    assert all(level - before <= 1 for before, level in pairwise(levels))
    assert page.tags.count("main") == page.tags.count("h1") == 1


def test_the_verdict_lists_every_comparison(page):
    verdict = squeeze(page.sections["verdict"])
    results = make_results()
    assert verdict.startswith(
        "Verdict step-by-step-gold answers 91.4% of the test rows correctly, "
    )
    costs = "the student answers 812 rows per second, the teacher 6.4; 1,000 rows cost 0.00012 with"
    assert verdict.index(costs) < verdict.index("rationales helped")
    everything = (
        *results.comparisons, *results.against_teacher, *results.against_baselines
    )  # fmt: skip
    for compared in everything:
        assert f"{compared.method} against {compared.baseline}" in verdict
    helped = next(c.comparison.words for c in results.comparisons if c.rows is None)
    assert helped in verdict
    assert verdict.count(" against ") == len(everything)
    assert verdict.index("on all 4,000 train rows") < verdict.index("on 500 train rows")


def test_no_line_breaks_inside_an_interval():
    text = Page(render_page(make_results(THREE, seeds=1), [])).sections["verdict"]
    assert re.findall(r"95 % CI|% CI|CI [+−0-9.]+ | to [+−0-9.]+[);]", text) == []
    assert "95\xa0%\xa0CI over test rows +" in text


def test_the_score_table_has_every_number(page):
    scores = squeeze(page.sections["scores"])
    for found in make_results().methods:
        assert f"{found.score.accuracy:.1%}" in scores
        assert f"{found.score.low:.1%} to {found.score.high:.1%}" in scores
        assert " ".join(f"{100 * s.score.accuracy:.1f}" for s in found.students) in scores
    assert "that could be parsed 92.9%" in scores
    assert "60.5 M 242 MB" in scores
    assert "needs the teacher at inference: 1,500 calls for the test rows" in scores


def test_efficiency_costs_and_provenance_are_given(page):
    curve, bill, provenance = (
        squeeze(page.sections[name]) for name in ("curve", "bill", "provenance")
    )
    assert "Matches finetune on all rows with 2,310 train rows (1,480 to more" in curve
    assert "Expected gain from 1,000 more rows beyond 4,000: +0.5 points" in curve
    assert "train 4,000 4,000 98.1% 3,921 31 4 40 4" in bill
    assert "had a rationale for a wrong label: all kept" in bill
    assert "Spent on the teacher 23.32 USD" in bill
    assert "1,000 rows with the student 0.00012 USD" in bill
    assert "The student has paid for itself after 5,910 rows" in bill
    assert "torch\xa02.13.0" in page.sections["provenance"]
    assert make_results().provenance.hashes["annotations"] in provenance
    assert make_results().provenance.prompt in page.sections["provenance"]


def test_the_page_loads_nothing():
    text = render_page(make_results(), make_cases(3))
    page = Page(text)
    loading = [value for _, name, value in page.attributes if name in ("src", "srcset", "data")]
    links = [value for _, name, value in page.attributes if name in ("href", "xlink:href")]
    assert loading == []
    assert links
    assert all(link.startswith("#") for link in links)
    assert not {"link", "iframe", "img", "object", "embed", "base"} & set(page.tags)
    assert "url(" not in text
    assert "@import" not in text
    policy = next(
        value for _, name, value in page.attributes if name == "content" and "src" in value
    )
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_data_cannot_become_markup():
    results = make_results(THREE)
    results = replace(
        results,
        name=HOSTILE,
        headline=HOSTILE,
        teacher={k: replace(t, problem=(HOSTILE, HOSTILE)) for k, t in results.teacher.items()},
        confusions=[replace(c, labels=[HOSTILE, *c.labels[1:]]) for c in results.confusions],
        provenance=replace(results.provenance, machine=HOSTILE, prompt=HOSTILE, settings=HOSTILE),
    )
    case = next(make_cases(1, THREE))
    case = replace(
        case, id=HOSTILE, text=HOSTILE, gold=HOSTILE, options=(HOSTILE,), teacher=HOSTILE,
        teacher_rationale=HOSTILE, student_rationale=HOSTILE, answers=dict.fromkeys(THREE, HOSTILE),
    )  # fmt: skip
    plain = Page(render_page(make_results(THREE), make_cases(1, THREE)))
    page = Page(render_page(results, [case]))
    assert set(page.tags) == set(plain.tags)
    assert page.tags.count("script") == plain.tags.count("script")
    assert page.headings[0][1] == HOSTILE
    assert HOSTILE in page.sections["provenance"]
    assert page.rows[0][:4] == [HOSTILE, HOSTILE, [HOSTILE], HOSTILE]
    assert "<" not in page.scripts[0] + page.scripts[1]


def test_without_curves_the_page_shows_accuracies():
    results = make_results(THREE, sizes=(4000,))
    page = Page(render_page(results, make_cases(3, THREE)))
    curve = squeeze(page.sections["curve"])
    places = [curve.index(f" {name} ") for name in ("teacher", "step-by-step", "finetune")]
    assert places == sorted(places)
    assert "a study of several numbers shows curves here" in curve
    assert "button" not in [tag for tag, name, _ in page.attributes if name == "data-method"]


def test_two_sizes_have_no_fitted_curve():
    page = Page(render_page(make_results(THREE, sizes=(500, 1000)), []))
    assert "Two sizes are too few to fit a curve" in squeeze(page.sections["curve"])


def test_several_students_are_named():
    results = add_student(make_results(THREE), "minilm")
    page = Page(render_page(results, make_cases(3, THREE)))
    verdict, curve, scores, bill, confusions, rows = (
        squeeze(page.sections[name])
        for name in ("verdict", "curve", "scores", "bill", "confusions", "rows")
    )
    titles = [
        f"{student}, on {size} train rows"
        for size in ("all 4,000", "1,000", "500")
        for student in ("main", "minilm")
    ]
    places = [verdict.index(f" {title}") for title in titles]
    assert places == sorted(places)
    listed = (*results.comparisons, *results.against_teacher, *results.against_baselines)
    assert verdict.count(" against ") == len(listed)
    assert "p-values are adjusted for all comparisons of a kind" in verdict
    assert ["h3", "minilm"] in page.headings
    assert curve.count("Data efficiency of main") == 1
    assert curve.count("Data efficiency of minilm") == 1
    for student in ("main", "minilm"):
        assert f"step-by-step {student} 9" in scores
        assert f"step-by-step {student} all 4,000 0" in scores
    assert "Costs, with the student main" in bill
    assert "each method's first seed, for the student main." in confusions
    assert "Answers and rationales are those of the student main." in rows
    assert "2 students" in page.text


def test_charts_of_several_students_share_a_scale():
    results = add_student(make_results(THREE, sizes=(4000,)), "minilm")
    bad = replace(results.methods[-1].score, accuracy=0.2, low=0.1, high=0.3)
    results = replace(
        results, methods=[*results.methods[:-1], replace(results.methods[-1], score=bad)]
    )
    curve = squeeze(Page(render_page(results, [])).sections["curve"])
    assert curve.count(" 20% 40% 60% 80% 100% Accuracy") == 4
    alone = squeeze(Page(render_page(results.of(""), [])).sections["curve"])
    assert " 20% " not in alone


def test_a_single_student_is_not_named():
    results = make_results(THREE)
    assert "main" not in Page(render_page(results, [])).text
    assert "main" not in render_summary(results)
    assert "main" in Page(render_page(add_student(results, "minilm"), [])).text


def test_a_single_seed_has_no_list_of_seeds():
    results = make_results(THREE, seeds=1)
    page = Page(render_page(results, []))
    assert "1 seed" in page.text
    assert (
        f"{results.methods[0].students[0].score.accuracy * 100:.1f} " not in page.sections["scores"]
    )


def test_a_page_needs_no_rows_teacher_or_comparisons():
    results = make_results(("finetune",), sizes=(1000,))
    results = replace(
        results, teacher={}, comparisons=[], against_teacher=[], against_baselines=[], confusions=[]
    )
    page = Page(render_page(results, []))
    assert "Nothing is compared." in page.sections["verdict"]
    assert "No teacher was asked." in page.sections["bill"]
    assert "This report has no test rows to show." in page.sections["rows"]
    assert "confusions" not in page.sections
    assert "teacher" not in json.loads(page.scripts[0])["who"]


def test_an_accuracy_of_one_can_be_drawn():
    results = make_results(("finetune",), sizes=(1000,))
    perfect = replace(results.methods[0].score, accuracy=1.0, low=1.0, high=1.0)
    methods = [replace(results.methods[0], score=perfect)]
    assert "100.0%" in render_page(replace(results, methods=methods, teacher={}), [])


def test_open_answers_have_a_breakdown_instead_of_confusions():
    page = Page(render_page(open_answers(make_results(THREE, sizes=(1000,))), []))
    answers = squeeze(page.sections["answers"])
    assert "confusions" not in page.sections
    assert "step-by-step 1,350 120 30" in answers
    assert answers.index("step-by-step") < answers.index("finetune")
    assert answers.count("Gold Answered Rows 84 / 2 84 * 2 31") == len(THREE)


def test_options_are_labelled_by_position():
    results = make_results(THREE, sizes=(1000,))
    assert "by position" not in Page(render_page(results, [])).text
    confusions = [replace(one, by_place=True) for one in results.confusions]
    page = Page(render_page(replace(results, confusions=confusions), []))
    assert "by position among a row's options" in page.sections["confusions"]


def test_the_script_never_inserts_markup():
    script = Page(render_page(make_results(THREE, sizes=(1000,)), [])).scripts[-1]
    assert "textContent" in script
    assert not re.search(r"eval\(|innerHTML|insertAdjacentHTML|document\.write", script)


def test_students_that_learnt_nothing_are_warned_about():
    results = replace(make_results(THREE, sizes=(1000,)), one_answer=1)
    said = "1 student gave the same answer to every test row"
    assert said in Page(render_page(results, make_cases(3, THREE))).sections["scores"]
    assert said in render_summary(results)
    assert "gave the same answer" not in render_summary(replace(results, one_answer=0))


def test_accuracy_is_told_over_the_parsed_rows_too_and_what_validation_means():
    page = Page(render_page(parse_few(make_results(THREE)), []))
    scores, bill = squeeze(page.sections["scores"]), squeeze(page.sections["bill"])
    assert "82.1% of the 70.0% that could be parsed 57.5%" in scores
    assert "only 70.0% to train rows, " in scores
    assert "Validation accuracy is agreement with the teacher: no validation row" in scores
    assert "Accuracy if parsed train 100 100 70.0% 70 25 3 2 2 57.5%" in bill
    assert "82.1%" in bill


def test_each_label_has_its_precision_and_recall_with_macro_f1():
    results = make_results(THREE)
    each = [LabelScore("Access", 1200, 0.75, 0.5, 0.6), LabelScore("Radio", 0, 0.0, None, 0.0)]
    first = replace(results.confusions[0], each=each, macro_f1=0.3)
    page = Page(render_page(replace(results, confusions=[first]), []))
    shown = squeeze(page.sections["confusions"])
    assert "Macro-F1 30.0%: the mean F1 of 2 labels Label Rows Precision Recall F1" in shown
    assert "Access 1,200 75.0% 50.0% 60.0% Radio 0 0.0% – 0.0%" in shown


def test_columns_without_a_value_are_left_out():
    results = make_results(THREE, sizes=(1000,), seeds=1)
    scores = squeeze(Page(render_page(results, [])).sections["scores"])
    assert "Seeds Parameters Size" in scores
    unscored = {
        split: replace(found, score=None, parsed_score=None)
        for split, found in results.teacher.items()
    }
    bill = squeeze(Page(render_page(replace(results, teacher=unscored), [])).sections["bill"])
    assert "No rationale Accuracy train" in bill


def test_outcomes_that_do_not_occur_have_no_column():
    results = make_results(THREE)
    counts = {
        split: replace(
            found,
            asked=found.outcomes["ok"],
            outcomes={**dict.fromkeys(found.outcomes, 0), "ok": found.outcomes["ok"]},
            without_rationale=0,
        )
        for split, found in results.teacher.items()
    }
    bill = squeeze(Page(render_page(replace(results, teacher=counts), [])).sections["bill"])
    assert "Split Rows Asked Parsed ok Accuracy 95 % interval train" in bill
