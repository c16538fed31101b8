"""The report's page in a browser: from disk, by mouse, by keyboard, and under axe."""

import re
import shutil
import time
from dataclasses import replace
from itertools import pairwise

import pytest

from distilwhy.report.page import render_page
from result_variants import add_student, open_answers
from results import make_cases, make_results

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("no Chromium is installed: apt-get install chromium", allow_module_level=True)

ROWS = 35
MANY = 100_000
OPENS_WITHIN_S = 3.0
SCRIPT = "<script>window.wronged = true</script><img src=x onerror='window.wronged = true'>"
SCHEMES = ("light", "dark")
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def cases():
    first, second, third, *others = make_cases(ROWS)
    hostile = replace(first, id="wronged", text=SCRIPT, teacher_rationale=SCRIPT)
    right = {name: own for name, own in second.right.items() if name != "teacher"}
    unasked = replace(second, id="unasked", teacher=None, teacher_rationale="", right=right)
    same = replace(
        third,
        id="same in other words",
        gold="2 + 3",
        teacher="3 + 2",
        answers=dict.fromkeys(third.answers, "2 + 3"),
        right=dict.fromkeys(third.right, True),
    )
    return [hostile, unasked, same, *others]


@pytest.fixture(scope="module")
def address(tmp_path_factory, cases):
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_page(make_results(), cases), encoding="utf-8")
    return path.as_uri()


class Tab:
    """An open page, with what its console said and what it asked for."""

    def __init__(self, browser, address, size=DESK, scheme="light"):
        self.context = browser.new_context(viewport=size, color_scheme=scheme)
        self.page = self.context.new_page()
        self.said, self.asked = [], []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(address)

    def found(self):
        return self.page.inner_text("#found")

    def expect_found(self, text):
        """Expect the search status to begin with this text."""
        beginning = re.compile(f"^{re.escape(text)}")
        playwright.expect(self.page.locator("#found")).to_have_text(beginning)

    def expect_ids(self, cases):
        """Expect the first page of these rows."""
        titles = self.page.locator("#shown h3")
        playwright.expect(titles).to_have_text([case.id for case in cases[:10]])


@pytest.fixture
def tab(browser, address):
    opened = Tab(browser, address)
    yield opened
    assert opened.said == []
    assert opened.asked == [address]
    opened.context.close()


def test_it_opens_from_disk_and_requests_nothing_else(tab):
    assert tab.page.title() == "Routing at Lanternbay's help desk"
    assert tab.found() == f"{ROWS} rows; 1 to 10 shown"
    assert tab.page.locator("article").count() == 10


def test_a_script_in_a_row_is_shown_as_text(tab):
    assert tab.page.locator("article .input").first.inner_text() == SCRIPT
    assert tab.page.evaluate("window.wronged") is None
    assert tab.page.locator("article script, article img").count() == 0


def test_rows_can_be_filtered(tab, cases):
    def right(case, name):
        return case.right.get(name)

    def differ(case, name):
        return case.answers[name] != case.teacher and not (right(case, name) and taught(case))

    def taught(case):
        return right(case, "teacher")

    students = list(cases[0].answers)
    one, other = "step-by-step", "finetune"
    wanted = {
        "won": [c for c in cases if right(c, one) and not right(c, other)],
        "lost": [c for c in cases if right(c, other) and not right(c, one)],
        "wrong": [c for c in cases if not right(c, one)],
        "none": [c for c in cases if not any(right(c, name) for name in students)],
        "differ": [c for c in cases if taught(c) is not None and differ(c, one)],
        "misled": [c for c in cases if right(c, one) and taught(c) is False],
        "unread": [c for c in cases if taught(c) is not None and c.teacher is None],
        "all": cases,
    }
    assert wanted["won"]
    for view, some in wanted.items():
        tab.page.select_option("#which", view)
        said = f"{len(some)} of {ROWS} rows" if view != "all" else f"{ROWS} rows;"
        tab.expect_found(said if some else "No matching rows.")
        tab.expect_ids(some)


def test_any_student_can_be_compared_with_any_other(tab, cases):
    tab.page.select_option("#which", "lost")
    tab.page.select_option("#student", label="label-distill")
    tab.page.select_option("#beside", label="teacher")
    shown = tab.page.locator("#which option:checked").inner_text()
    assert shown == "teacher right, label-distill wrong"
    some = [c for c in cases if c.right.get("teacher") and not c.right["label-distill"]]
    tab.expect_found(f"{len(some)} of {ROWS} rows")
    tab.expect_ids(some)
    tab.page.select_option("#which", "won")
    some = [c for c in cases if c.right.get("teacher") is False and c.right["label-distill"]]
    tab.expect_found(f"{len(some)} of {ROWS} rows" if some else "No matching rows.")
    tab.expect_ids(some)


def test_search_ignores_case(tab, cases):
    number = re.search(r"\d{6}", cases[7].text).group()
    tab.page.fill("#words", f"OUR {number}")
    tab.expect_found(f"1 of {ROWS} rows")
    tab.expect_ids([cases[7]])
    tab.page.fill("#words", "no row says this")
    tab.expect_found("No matching rows.")
    assert tab.page.locator("#pages").is_hidden()
    tab.page.fill("#words", "")
    tab.expect_found(f"{ROWS} rows;")


def test_rows_can_be_ordered_by_difficulty(tab, cases):
    def count(case):
        return sum(case.right[name] for name in case.answers)

    tab.page.select_option("#order", "hard")
    tab.expect_found(f"{ROWS} of {ROWS}")
    tab.expect_ids(sorted(cases, key=count))
    tab.page.select_option("#order", "easy")
    tab.expect_ids(sorted(cases, key=count, reverse=True))


def test_pages_are_turned_with_the_mouse(tab, cases):
    for button, page in (("next", 2), ("last", 4), ("previous", 3), ("first", 1)):
        tab.page.click(f"[data-to={button}]")
        assert tab.page.inner_text("#page") == f"Page {page} of 4"
        tab.expect_ids(cases[10 * (page - 1) : 10 * page])
    playwright.expect(tab.page.locator("[data-to=previous]")).to_be_disabled()
    tab.page.locator("[data-to=previous]").dispatch_event("click")
    assert tab.page.inner_text("#page") == "Page 1 of 4"


def test_everything_works_with_the_keyboard(tab, cases):
    keys = tab.page.keyboard

    def focused():
        return tab.page.evaluate(
            "(e => e.id || e.dataset.to || e.dataset.method || e.className)(document.activeElement)"
        )

    def tab_to(name):
        for _ in range(80):
            if focused() == name:
                return
            keys.press("Tab")
        raise AssertionError(f"{name} cannot be reached")

    keys.press("Tab")
    assert focused() == "skip"
    keys.press("Enter")
    assert tab.page.url.endswith("#verdict")
    tab_to("step-by-step")
    keys.press("Space")
    assert tab.page.get_attribute("[data-method=step-by-step]", "aria-pressed") == "true"
    keys.press("Space")
    assert tab.page.get_attribute("[data-method=step-by-step]", "aria-pressed") == "false"
    tab_to("words")
    keys.type("bronze")
    some = [c for c in cases if "bronze" in c.text.lower()]
    tab.expect_found(f"{len(some)} of {ROWS} rows")
    keys.press("Control+A")
    keys.press("Delete")
    tab.expect_found(f"{ROWS} rows;")
    tab_to("which")
    keys.type("every")
    some = [c for c in cases if not any(c.right[name] for name in c.answers)]
    tab.expect_found(f"{len(some)} of {ROWS}" if some else "No matching rows.")
    keys.press("Home")
    tab.expect_found(f"{ROWS} rows;")
    tab_to("next")
    keys.press("Enter")
    assert focused() == "next"
    assert tab.page.inner_text("#page") == "Page 2 of 4"
    keys.press("Space")
    assert tab.page.inner_text("#page") == "Page 3 of 4"


def test_details_open_with_the_keyboard(tab):
    details = tab.page.locator("details")
    for i in range(details.count()):
        summary = details.nth(i).locator("summary")
        summary.focus()
        before = details.nth(i).get_attribute("open")
        tab.page.keyboard.press("Enter")
        assert details.nth(i).get_attribute("open") != before


def test_focus_is_visible(tab):
    tab.page.focus("#words")
    tab.page.keyboard.press("Tab")
    style = tab.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert style == "solid"


def test_a_point_has_a_tooltip(tab):
    points = tab.page.locator(".wide .mark-symbol.role-mark [aria-label^='finetune: ']")
    assert points.count() == 3
    points.first.scroll_into_view_if_needed()
    box = points.first.bounding_box()
    tab.page.mouse.move(box["x"] + 4, box["y"] + 4)
    tip = tab.page.locator("#tip")
    playwright.expect(tip).to_be_visible()
    found = next(m for m in make_results().methods if (m.method, m.rows) == ("finetune", 500))
    assert f"{found.score.accuracy:.1%} (" in tip.inner_text()
    assert "500 train rows, 5 seeds" in tip.inner_text()
    tab.page.mouse.move(5, 5)
    playwright.expect(tip).to_be_hidden()


def test_a_method_can_be_highlighted(tab):
    tab.page.click("[data-method='rationale-then-label']")
    tab.page.mouse.move(5, 5)
    tab.page.wait_for_timeout(300)
    opacity = "(mark) => +getComputedStyle(mark).opacity"
    line = ".wide .mark-line.role-mark [aria-label^='{}: ']"
    chosen = tab.page.locator(line.format("rationale-then-label")).first.evaluate(opacity)
    other = tab.page.locator(line.format("finetune")).first.evaluate(opacity)
    assert (chosen, other) == (1, 0.16)


def test_a_long_text_can_be_shown_in_full(browser, tmp_path):
    long = "word " * 2000
    case = replace(next(make_cases(1)), text=long)
    path = tmp_path / "long.html"
    path.write_text(render_page(make_results(sizes=(500,)), [case]), encoding="utf-8")
    tab = Tab(browser, path.as_uri(), PHONE)
    assert len(tab.page.inner_text("article .input")) < 1300
    tab.page.click("article .all")
    assert tab.page.locator("article .input").text_content() == long
    tab.context.close()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing(browser, address, size, scheme):
    tab = Tab(browser, address, size, scheme)
    tab.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    tab.page.click("[data-method='finetune']")
    found = axe.Axe().run(tab.page)
    assert found.violations_count == 0, found.generate_report()
    assert tab.said == []
    tab.context.close()


def test_axe_finds_nothing_with_several_students(browser, tmp_path):
    path = tmp_path / "students.html"
    results = add_student(make_results(("finetune", "step-by-step")), "minilm-l6-v2")
    path.write_text(render_page(results, make_cases(3)), encoding="utf-8")
    tab = Tab(browser, path.as_uri(), PHONE)
    tab.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = axe.Axe().run(tab.page)
    assert found.violations_count == 0, found.generate_report()
    assert tab.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert tab.said == []
    tab.context.close()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing_in_open_answers(browser, tmp_path, size, scheme):
    path = tmp_path / "open.html"
    results = open_answers(make_results(("finetune", "step-by-step")))
    path.write_text(render_page(results, make_cases(3)), encoding="utf-8")
    tab = Tab(browser, path.as_uri(), size, scheme)
    tab.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = axe.Axe().run(tab.page)
    assert found.violations_count == 0, found.generate_report()
    assert tab.page.evaluate("document.documentElement.scrollWidth") == size["width"]
    assert tab.said == []
    tab.context.close()


def test_axis_labels_do_not_overlap_on_a_phone(browser, tmp_path):
    sizes = (100, 200, 300, 500, 700, 1000, 2000, 3000, 4000)
    path = tmp_path / "sizes.html"
    path.write_text(render_page(make_results(("finetune",), sizes), []), encoding="utf-8")
    tab = Tab(browser, path.as_uri(), PHONE)
    labels = tab.page.locator("#curve .narrow text", has_text=re.compile(r"^[\d,]+$")).all()
    shown = [label for label in labels if label.get_attribute("opacity") != "0"]
    boxes = sorted((box["x"], box["width"]) for label in shown if (box := label.bounding_box()))
    assert len(boxes) >= 4
    assert all(left + width + 4 <= right for (left, width), (right, _) in pairwise(boxes))
    tab.context.close()


def test_long_labels_leave_room_for_the_counts(browser, tmp_path):
    results = make_results(("finetune",), sizes=(1000,))
    [confusion] = results.confusions
    labels = [f"{name} {'and whatever else belongs to it ' * 4}" for name in confusion.labels]
    results = replace(results, confusions=[replace(confusion, labels=labels)])
    path = tmp_path / "labels.html"
    path.write_text(render_page(results, []), encoding="utf-8")
    tab = Tab(browser, path.as_uri(), PHONE)
    head = tab.page.locator(".confusion tbody th").first.bounding_box()
    assert head["width"] <= 0.4 * PHONE["width"] + 1
    tab.context.close()


@pytest.mark.parametrize("sizes", [(4000,), (500, 1000), (500, 1000, 4000)])
def test_nothing_overflows_on_a_phone(browser, tmp_path, sizes):
    long = "x" * 400
    case = replace(next(make_cases(1)), id=long, text=long, gold=long)
    results = make_results(sizes=sizes)
    results = replace(results, name=long, provenance=replace(results.provenance, machine=long))
    path = tmp_path / "phone.html"
    path.write_text(render_page(results, [case]), encoding="utf-8")
    tab = Tab(browser, path.as_uri(), {"width": 360, "height": 700})
    tab.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert tab.page.evaluate("document.documentElement.scrollWidth") == 360
    tab.context.close()


def test_it_prints_in_light_colours(browser, address):
    tab = Tab(browser, address, scheme="dark")
    colour = "getComputedStyle(document.body).color"
    assert tab.page.evaluate(colour) == "rgb(236, 234, 228)"
    tab.page.emulate_media(media="print")
    assert tab.page.evaluate(colour) == "rgb(28, 27, 25)"
    assert tab.page.locator("#find").is_hidden()
    assert tab.page.pdf(format="A4").startswith(b"%PDF")
    tab.context.close()


def test_100_000_rows_open_within_three_seconds(browser, tmp_path):
    path = tmp_path / "many.html"
    path.write_text(render_page(make_results(), make_cases(MANY)), encoding="utf-8")
    context = browser.new_context(viewport=DESK)
    page = context.new_page()
    started = time.perf_counter()
    page.goto(path.as_uri())
    page.wait_for_selector("article")
    assert time.perf_counter() - started < OPENS_WITHIN_S
    assert page.locator("article").count() == 10
    page.select_option("#which", "won")
    playwright.expect(page.locator("#found")).to_contain_text(f" of {MANY:,} rows")
    page.click("[data-to=last]")
    assert page.locator("article").count() > 0
    context.close()
