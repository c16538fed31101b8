"""Verdicts, sentences and colours."""

from dataclasses import replace

import pytest

from distilwhy.report.palette import DARK, LIGHT
from distilwhy.report.sentences import efficiency_sentences, wrong_rationales
from distilwhy.report.verdicts import judge_all
from results import THREE, make_comparison, make_results


@pytest.mark.parametrize(
    ("matches", "said"),
    [
        ((2310, 1480, None), "with 2,310 train rows (1,480 to more than 8,000)."),
        ((500, 500, 500), "with 500 train rows or fewer."),
        ((700, 500, 900), "with 700 train rows (500 or fewer to 900)."),
        ((7000, None, None), "with 7,000 train rows (more than 8,000 to more than 8,000)."),
        ((None, 600, None), "within 8,000 train rows; at best it does with 600 rows."),
        ((None, None, None), "within 8,000 train rows."),
    ],
)
def test_rows_needed_to_match_fine_tuning(matches, said):
    found = replace(make_results(THREE).efficiency[1], matches=matches, fewest=500)
    assert efficiency_sentences(found)[0].endswith(said)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({}, ""),
        ({"known": 9, "wrong": 0}, ""),
        ({"known": 1, "wrong": 1}, "Of 1 annotated train row with a gold label, 1 had a rationale "
         "for a wrong label: all kept."),
        ({"known": 9, "wrong": 3, "unreasoned": 1, "dropped": 2}, "Of 9 annotated train rows with "
         "a gold label, 3 had a rationale for a wrong label: 1 trained on the label alone and 2 "
         "left out."),
    ],
)  # fmt: skip
def test_what_was_done_about_wrong_rationales(counts, said):
    [method] = make_results(("step-by-step",), sizes=(1000,)).methods
    assert wrong_rationales([replace(method, wrong_rationales=counts)]) == said


def test_bars_share_a_scale_that_includes_zero():
    results = make_results()
    groups = judge_all(results)
    titles = [
        f"{kind}, on {rows} train rows"
        for rows in ("all 4,000", "1,000", "500")
        for kind in ("Against the teacher", "Between methods", "Against trivial baselines")
    ]
    assert [group.title for group in groups] == titles
    assert [group.is_main for group in groups] == [True] * 2 + [False] * 7
    for group in groups[1::3]:
        assert [tick.label for tick in group.ticks] == [
            "−8", "−6", "−4", "−2", "0", "+2", "+4", "+6", "+8", "+10",
        ]  # fmt: skip
    for group in groups:
        for one in group.verdicts:
            assert 0 <= one.low < one.middle < one.high <= 100
            assert (one.verdict == "helped") <= (one.low > group.zero)
    same = replace(results.comparisons[0], comparison=make_comparison(0.0, 1e-6))
    [group] = judge_all(
        replace(results, comparisons=[same], against_teacher=[], against_baselines=[])
    )
    assert group.ticks


def test_a_student_is_better_or_worse_than_its_teacher():
    first, other, *_ = judge_all(make_results())
    assert {one.said for one in first.verdicts} <= {"better", "worse", "no difference detected"}
    assert {one.verdict for one in first.verdicts} <= {"helped", "hurt", "no difference detected"}
    assert {one.baseline for one in first.verdicts} == {"teacher"}
    assert {"helped"} < {one.said for one in other.verdicts}


def test_one_seed_has_no_verdict_and_no_p_value():
    for group in judge_all(make_results(seeds=1)):
        assert {(one.said, one.p_value) for one in group.verdicts} == {("no verdict", "")}
        assert all(one.words.startswith(" from one seed: ") for one in group.verdicts)


def contrast(one, other):
    def luminance(colour):
        shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (
            s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_colours_contrast_with_the_background(colours):
    for name in set(colours) - {"paper", "rule"}:
        least = 3 if name == "grey" else 4.5  # grey is for drawings alone
        assert contrast(colours[name], colours["paper"]) >= least, name
