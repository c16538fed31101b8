"""The report's page as text; a browser reads it elsewhere."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
import yaml

from distilwhy.core.cost import Bill, Prices
from distilwhy.report.bill import PRICES
from distilwhy.report.cases import CHUNK, pack_cases
from distilwhy.report.page import render_page
from distilwhy.report.palette import DARK, LIGHT
from distilwhy.report.sentences import efficiency_sentences
from distilwhy.report.summary import render_summary
from distilwhy.report.verdicts import judge_all
from distilwhy.report.words import duration, large, money, percent, points, probability
from results import (
    THREE,
    add_student,
    make_bill,
    make_cases,
    make_comparison,
    make_results,
    open_answers,
)

HOSTILE = (
    "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> & \"'\u2028 ü 日本 🎈"
)


class Page(HTMLParser):
    """What stands in a page: its tags, headings, the text of each section and of each script."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.headings, self.scripts = [], [], [], []
        self.sections, self.text = {}, ""
        self._section = self._heading = self._script = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag in ("td", "th", "dt", "dd", "div", "p", "li", "svg", "text"):
            self.handle_data(" ")
        if tag == "section":
            self._section = dict(attrs)["id"]
            self.sections[self._section] = ""
        if tag == "script":
            self.scripts.append("")
        if tag in ("h1", "h2", "h3"):
            self.headings.append([tag, ""])
            self._heading = tag

    def handle_endtag(self, tag):
        if tag == self._heading:
            self._heading = None
        if tag == "section":
            self._section = None

    def handle_data(self, data):
        if self.cdata_elem == "script":
            self.scripts[-1] += data
        elif self.cdata_elem != "style":
            self.text += data
            if self._heading:
                self.headings[-1][1] += data
            if self._section:
                self.sections[self._section] += data

    @property
    def rows(self):
        """The test rows that it keeps."""
        return [row for chunk in self.scripts[1:-1] for row in json.loads(chunk)]


@pytest.fixture(scope="module")
def page():
    return Page(render_page(make_results(), make_cases(30)))


def squeeze(text):
    return " ".join(text.split())


def test_sections_stand_in_the_order_that_a_reader_asks(page):
    assert list(page.sections) == [
        "verdict", "curve", "scores", "bill", "confusions", "rows", "how",
    ]  # fmt: skip
    assert page.headings[0] == ["h1", "Routing at Lanternbay's help desk"]
    assert next(name for tag, name in page.headings if tag == "h2") == "Verdict"
    levels = [int(tag[1]) for tag, _ in page.headings]
    assert all(level - before <= 1 for before, level in pairwise(levels))
    assert page.tags.count("main") == page.tags.count("h1") == 1


def test_the_verdict_says_every_comparison_in_words(page):
    verdict = squeeze(page.sections["verdict"])
    results = make_results()
    assert verdict.startswith("Verdict Against the teacher's bare labels, the reasons helped")
    for versus in results.comparisons:
        assert f"{versus.method} against {versus.baseline}" in verdict
    helped = next(v.comparison.words for v in results.comparisons if v.rows is None)
    assert helped in verdict
    assert verdict.count("against") == len(results.comparisons)
    assert verdict.index("On all 4,000 train rows") < verdict.index("On 500 train rows")


def test_every_number_of_the_scores_stands_in_the_table(page):
    scores = squeeze(page.sections["scores"])
    for found in make_results().methods:
        assert f"{found.score.accuracy:.1%}" in scores
        assert f"{found.score.low:.1%} to {found.score.high:.1%}" in scores
        assert " ".join(f"{100 * s.score.accuracy:.1f}" for s in found.students) in scores
    assert "teacher 92.9%" in scores
    assert "60.5 M 242 MB" in scores
    assert "needs 1,500 answers of the teacher for the test rows" in scores


def test_the_rest_is_told_in_words(page):
    curve, bill, how = (squeeze(page.sections[name]) for name in ("curve", "bill", "how"))
    assert "It gets as far as finetune on all rows with 2,310 train rows (1,480 to more" in curve
    assert "1,000 rows more than 4,000 are expected to bring +0.5 points" in curve
    assert "train 4,000 4,000 98.0% 3,921 31 4 40 4" in bill
    assert "had reasons for a wrong label: kept as they were" in bill
    assert "Spent on the teacher USD 23.32" in bill
    assert "1,000 rows by the student USD 0.00012" in bill
    assert "The student has paid for itself after 5,910 rows" in bill
    assert "torch\xa02.13.0" in page.sections["how"]
    assert make_results().provenance.hashes["annotations"] in how
    assert make_results().provenance.prompt in page.sections["how"]


def test_nothing_is_loaded_from_anywhere():
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


def test_what_rows_say_is_text():
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
    assert HOSTILE in page.sections["how"]
    assert page.rows[0][:4] == [HOSTILE, HOSTILE, [HOSTILE], HOSTILE]
    assert "<" not in page.scripts[0] + page.scripts[1]


def test_half_a_character_can_be_written():
    case = replace(next(make_cases(1)), text="half \ud83c of it")
    page = render_page(make_results(THREE, sizes=(1000,)), [case])
    assert "half ? of it" in page.encode().decode()


def test_long_texts_are_kept_whole():
    long = "word " * 50_000
    case = replace(next(make_cases(1)), text=long, teacher_rationale=long)
    results = replace(make_results(THREE), name="x" * 500, headline="Because. " * 300)
    page = Page(render_page(results, [case]))
    assert page.rows[0][1] == long


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"prices": None}, "Write them there under “prices”"),
        ({"counted": 0}, "did not say how many tokens it read and wrote"),
        ({"calls": 0}, "nothing to bill"),
    ],
)
def test_what_is_unknown_is_named_with_what_to_do(change, said):
    usage = make_bill().usage
    if "prices" not in change:
        usage = replace(usage, **change)
    bill = Bill(usage=usage, prices=None if "prices" in change else make_bill().prices)
    results = replace(make_results(THREE, sizes=(1000,)), bill=bill)
    page = Page(render_page(results, []))
    told = squeeze(page.sections["bill"])
    for line in ("Spent on the teacher", "1,000 rows by the teacher", "1,000 rows by the student"):
        assert f"{line} not known" in told
    assert "The student has paid for itself not known" in told
    assert said in told
    assert ("machine_hour: 0.30" in told) == ("prices" in change)
    assert said in render_summary(results)


def test_the_prices_that_it_suggests_are_prices():
    assert Prices(**yaml.safe_load(PRICES)["prices"]).input == 2.5


def test_a_student_that_is_no_cheaper_never_pays():
    bill = replace(make_bill(), break_even=None, student_per_1000=5.0)
    results = replace(make_results(THREE, sizes=(1000,)), bill=bill)
    told = squeeze(Page(render_page(results, [])).sections["bill"])
    assert "has paid for itself never a row costs no less by the student" in told


def test_without_curves_the_accuracies_are_drawn():
    results = make_results(THREE, sizes=(4000,))
    page = Page(render_page(results, make_cases(3, THREE)))
    curve = squeeze(page.sections["curve"])
    places = [curve.index(f" {name} ") for name in ("teacher", "step-by-step", "finetune")]
    assert places == sorted(places)
    assert "a study over several numbers draws curves here" in curve
    assert "button" not in [tag for tag, name, _ in page.attributes if name == "data-method"]


def test_two_sizes_are_joined_without_a_fit():
    page = Page(render_page(make_results(THREE, sizes=(500, 1000)), []))
    assert "two sizes are too few to fit a curve" in squeeze(page.sections["curve"])


def test_every_student_is_told_of_by_name():
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
    places = [verdict.index(title) for title in titles]
    assert places == sorted(places)
    assert verdict.count("against") == len(results.comparisons)
    assert "p is adjusted for all comparisons of the study" in verdict
    assert ["h3", "minilm"] in page.headings
    assert curve.count("What rows are worth to main") == 1
    assert curve.count("What rows are worth to minilm") == 1
    for student in ("main", "minilm"):
        assert f"step-by-step {student} 9" in scores
        assert f"step-by-step {student} all 4,000 0" in scores
    assert "What it cost, with the student main" in bill
    assert "each method's first student answered, those being of main." in confusions
    assert "These are the answers and reasons of the student main." in rows
    assert "2 students" in page.text


def test_students_have_the_same_scale():
    """The second is far worse, and its drawing starts as high as that of the first."""
    results = add_student(make_results(THREE, sizes=(4000,)), "minilm")
    bad = replace(results.methods[-1].score, accuracy=0.2, low=0.1, high=0.3)
    results = replace(
        results, methods=[*results.methods[:-1], replace(results.methods[-1], score=bad)]
    )
    curve = squeeze(Page(render_page(results, [])).sections["curve"])
    assert curve.count(" 20% 40% 60% 80% 100% Accuracy") == 4
    alone = squeeze(Page(render_page(results.of(""), [])).sections["curve"])
    assert " 20% " not in alone


def test_one_student_has_no_name():
    results = make_results(THREE)
    assert "main" not in Page(render_page(results, [])).text
    assert "main" not in render_summary(results)
    assert "main" in Page(render_page(add_student(results, "minilm"), [])).text


def test_one_seed_has_no_list_of_seeds():
    results = make_results(THREE, seeds=1)
    page = Page(render_page(results, []))
    assert "1 seed" in page.text
    assert (
        f"{results.methods[0].students[0].score.accuracy * 100:.1f} " not in page.sections["scores"]
    )


def test_without_rows_teacher_or_comparisons_there_is_still_a_page():
    results = make_results(("finetune",), sizes=(1000,))
    results = replace(results, teacher={}, comparisons=[], confusions=[])
    page = Page(render_page(results, []))
    assert "No two methods are compared." in page.sections["verdict"]
    assert "No teacher was asked." in page.sections["bill"]
    assert "No test rows are kept to look at." in page.sections["rows"]
    assert "confusions" not in page.sections
    assert "teacher" not in json.loads(page.scripts[0])["who"]


def test_a_student_that_is_always_right_can_be_drawn():
    results = make_results(("finetune",), sizes=(1000,))
    perfect = replace(results.methods[0].score, accuracy=1.0, low=1.0, high=1.0)
    methods = [replace(results.methods[0], score=perfect)]
    assert "100.0%" in render_page(replace(results, methods=methods, teacher={}), [])


def test_open_answers_are_broken_down_by_method():
    page = Page(render_page(open_answers(make_results(THREE, sizes=(1000,))), []))
    answers = squeeze(page.sections["answers"])
    assert "confusions" not in page.sections
    assert "step-by-step 1,350 120 30" in answers
    assert answers.index("step-by-step") < answers.index("finetune")
    assert answers.count("Gold Answered Rows 84 / 2 84 * 2 31") == len(THREE)


def test_options_are_said_to_be_places():
    results = make_results(THREE, sizes=(1000,))
    assert "by their place" not in Page(render_page(results, [])).text
    confusions = [replace(one, by_place=True) for one in results.confusions]
    told = Page(render_page(replace(results, confusions=confusions), [])).sections["confusions"]
    assert "by their place among a row's options" in told


@pytest.mark.parametrize(
    ("matches", "said"),
    [
        ((2310, 1480, None), "with 2,310 train rows (1,480 to more than 8,000)."),
        ((500, 500, 500), "with 500 train rows or fewer."),
        ((700, 500, 900), "with 700 train rows (500 or fewer to 900)."),
        ((7000, None, None), "with 7,000 train rows (more than 8,000 to more than 8,000)."),
        ((None, 600, None), "within 8,000 train rows; it may with 600 rows."),
        ((None, None, None), "within 8,000 train rows."),
    ],
)
def test_how_many_rows_it_takes(matches, said):
    found = replace(make_results(THREE).efficiency[1], matches=matches, fewest=500)
    assert efficiency_sentences(found)[0].endswith(said)


def test_who_answered_are_the_methods_of_the_first_student():
    results = make_results(("finetune", "step-by-step"))
    others = replace(make_results(("label-distill",)), teacher=results.teacher)
    more = [replace(found, student="small") for found in others.methods]
    page = Page(render_page(replace(results, methods=[*results.methods, *more]), []))
    assert json.loads(page.scripts[0])["who"] == ["finetune", "step-by-step", "teacher"]


def test_a_teacher_that_was_not_asked_said_nothing():
    case = next(make_cases(1, THREE))
    unasked = replace(case, teacher=None, right={name: case.right[name] for name in THREE})
    [packed] = pack_cases([unasked], [*THREE, "teacher"])
    assert not [said for said in json.loads(packed)[0][4] if 3 in said[2]]


def test_rows_are_packed_with_each_answer_once():
    case = replace(
        next(make_cases(1, THREE)),
        gold="a", teacher=None,
        answers={"finetune": "a", "label-distill": "b", "step-by-step": "a"},
        right={"finetune": True, "label-distill": False, "step-by-step": True, "teacher": False},
    )  # fmt: skip
    [packed] = pack_cases([case], [*THREE, "teacher"])
    said = json.loads(packed)[0][4]
    assert said == [[None, 0, [3]], ["a", 1, [0, 2]], ["b", 0, [1]]]
    [untaught] = pack_cases([case], THREE)
    assert json.loads(untaught)[0][4] == [["a", 1, [0, 2]], ["b", 0, [1]]]


def test_rows_come_in_chunks_in_their_order():
    chunks = list(pack_cases(make_cases(CHUNK + 5), ["finetune"]))
    assert [len(json.loads(chunk)) for chunk in chunks] == [CHUNK, 5]
    assert json.loads(chunks[1])[0][0] == f"ticket-3-{CHUNK:06d}"


def test_bars_share_a_scale_that_holds_zero():
    results = make_results()
    verdicts = judge_all(results.comparisons, 4000)
    titles = [f"On {rows} train rows" for rows in ("all 4,000", "1,000", "500")]
    assert [group.title for group in verdicts.groups] == titles
    assert [tick.label for tick in verdicts.ticks] == [
        "−8", "−6", "−4", "−2", "0", "+2", "+4", "+6", "+8", "+10",
    ]  # fmt: skip
    for group in verdicts.groups:
        for one in group.verdicts:
            assert 0 <= one.low < one.middle < one.high <= 100
            assert (one.verdict == "helped") <= (one.low > verdicts.zero)
    same = replace(results.comparisons[0], comparison=make_comparison(0.0, 1e-6))
    assert judge_all([same], None).ticks


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
def test_colours_can_be_told_from_the_paper(colours):
    for name in set(colours) - {"paper", "rule"}:
        least = 3 if name == "grey" else 4.5  # grey is for drawings alone
        assert contrast(colours[name], colours["paper"]) >= least, name


@pytest.mark.parametrize(
    ("read", "number", "said"),
    [
        (percent, 0.9056, "90.6%"),
        (points, -0.0123, "−1.2"),
        (points, -0.0001, "+0.0"),
        (probability, 0.04996, "p = 0.04996"),
        (probability, 0.0504, "p = 0.050"),
        (large, 60_506_880, "60.5 M"),
        (large, 999.6, "1.00 k"),
        (large, 999_999, "1.00 M"),
        (large, 6.4, "6.4"),
        (large, 1530, "1.53 k"),
        (duration, 3.2, "3.20 s"),
        (duration, 391.4, "6 min 31 s"),
        (duration, 7300, "2 h 1 min"),
        (lambda amount: money(amount, "EUR"), 1234.5, "EUR 1,234.50"),
        (lambda amount: money(amount, "EUR"), 0.000116, "EUR 0.00012"),
        (lambda amount: money(amount, "EUR"), 0, "EUR 0.00"),
    ],
)
def test_numbers_in_words(read, number, said):
    assert read(number) == said


def test_the_script_makes_no_markup_of_what_it_reads():
    script = Page(render_page(make_results(THREE, sizes=(1000,)), [])).scripts[-1]
    assert "textContent" in script
    assert not re.search(r"eval\(|innerHTML|insertAdjacentHTML|document\.write", script)


def test_students_that_learnt_nothing_are_told_of():
    results = replace(make_results(THREE, sizes=(1000,)), one_answer=1)
    said = "One and the same answer to every test row: that is what 1 student gave"
    assert said in Page(render_page(results, make_cases(3, THREE))).sections["scores"]
    assert said in render_summary(results)
    assert "One and the same answer" not in render_summary(replace(results, one_answer=0))
