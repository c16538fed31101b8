"""The report's page on a phone: nothing is cut off, and what scrolls says so."""

import shutil
from collections.abc import Callable

import pytest

from distilwhy.report.page import render_page
from results import make_results

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("no Chromium is installed: apt-get install chromium", allow_module_level=True)

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def show(tmp_path_factory) -> Callable[..., object]:
    """Opens the report of a study on a screen of some size."""
    path = tmp_path_factory.mktemp("phone") / "report.html"
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )

        def opened(size: dict[str, int], sizes: tuple[int, ...]) -> object:
            path.write_text(render_page(make_results(sizes=sizes), []), encoding="utf-8")
            page = browser.new_page(viewport=size)
            page.goto(path.as_uri())
            return page

        yield opened
        browser.close()


@pytest.mark.parametrize("sizes", [(500, 1000, 4000), (1000,)], ids=["curve", "accuracy"])
def test_no_label_of_a_chart_is_cut_off_on_a_phone(show, sizes):
    page = show(PHONE, sizes)
    drawing = page.locator("#curve .narrow svg").bounding_box()
    for label in page.locator("#curve .narrow text").all():
        box = label.bounding_box()
        if box and label.get_attribute("opacity") != "0":
            assert box["x"] >= drawing["x"] - 1, label.text_content()
            assert box["x"] + box["width"] <= drawing["x"] + drawing["width"] + 1


def test_a_table_says_that_it_scrolls_if_it_is_wider_than_the_screen(show):
    hint = "getComputedStyle(document.querySelector('#scores .scroll'), '::before').content"
    for size, is_hinted in ((PHONE, True), (DESK, False)):
        page = show(size, (1000,))
        page.wait_for_timeout(100)
        assert ("Scroll sideways" in page.evaluate(hint)) is is_hinted
        caption = page.locator("#scores caption span").first.bounding_box()
        assert caption["x"] + caption["width"] <= size["width"]
