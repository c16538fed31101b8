"""The documentation as a site: it builds, its links hold, and it loads nothing from elsewhere."""

import functools
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import distilwhy as dw

pytest.importorskip("material", reason="the extra 'docs' is not installed")

ROOT = Path(__file__).parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "srcset", "video": "src"}
LOADED_LINKS = {"stylesheet", "icon", "preconnect", "preload", "dns-prefetch", "manifest"}
WIDTHS = (1280, 390)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, from a build that fails at a warning."""
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr
    return folder


def environment() -> dict[str, str]:
    return {**os.environ, "NO_MKDOCS_2_WARNING": "1"}


class Loaded(HTMLParser):
    """The addresses that a page loads by itself, unlike those that it links to."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        if tag == "link" and {*(found.get("rel") or "").split()} & LOADED_LINKS:
            self.addresses.append(found.get("href") or "")
        elif tag in LOADING:
            self.addresses.append(found.get(LOADING[tag]) or "")


def list_outside(site: Path) -> list[str]:
    """What the pages and style sheets of a site load from elsewhere."""
    found = []
    for path in site.rglob("*.html"):
        page = Loaded()
        page.feed(path.read_text(encoding="utf-8"))
        found += [f"{path.name}: {one}" for one in page.addresses if re.match(r"(\w+:)?//", one)]
    for path in site.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        found += [
            f"{path.name}: {one}" for one in re.findall(r"(?:url\(|@import )\W*http[^)]*", text)
        ]
    return found


def test_the_site_loads_nothing_from_elsewhere(site: Path):
    assert len([*site.glob("*.html")]) > 15
    assert list_outside(site) == []


def test_what_a_page_would_load_from_elsewhere_is_found(tmp_path: Path):
    page = '<link rel="stylesheet" href="https://a/b.css"><img src="//a/b.png"><a href="https://a">'
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    (tmp_path / "page.css").write_text("body { src: url('https://a/b.woff') }", encoding="utf-8")
    assert len(list_outside(tmp_path)) == 3


def test_the_reference_has_every_public_name(site: Path):
    page = (site / "api.html").read_text(encoding="utf-8")
    names = [name for name in dw.__all__ if not name.startswith("_")]
    assert [name for name in names if not re.search(rf'id="distilwhy\.[\w.]*{name}"', page)] == []


def test_links_of_the_readme_lead_to_the_site_s_pages(site: Path):
    page = (site / "index.html").read_text(encoding="utf-8")
    assert 'href="results.html"' in page
    assert 'src="report-light.png#only-light"' in page
    assert "docs/" not in "".join(re.findall(r'(?:href|src)="(.*?)"', page))


def list_links() -> Iterator[tuple[Path, str]]:
    """The links of the repository's pages to its own files."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*.md")]
    for page in pages:
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
        for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)\s]+)\)", text):
            yield page, link
        for address in re.findall(r'(?:src|srcset)="(.*?)"', text):
            yield page, address


def test_links_of_the_repository_s_pages_lead_to_its_files():
    links = [*list_links()]
    assert len(links) > 100
    assert [
        f"{page.name}: {link}"
        for page, link in links
        if not (page.parent / link.partition("#")[0]).exists()
    ] == []


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a log."""

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: apt-get install chromium")
def test_pages_fit_screens_and_ask_no_other_host(address: str, site: Path):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    wide, outside = [], []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for width in WIDTHS:
            sheet = browser.new_page(viewport={"width": width, "height": 900})
            sheet.on("request", lambda request: outside.append(request.url))
            for path in sorted(site.glob("*.html")):
                sheet.goto(f"{address}/{path.name}")
                if sheet.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    wide.append(f"{path.name} at {width}")
        browser.close()
    assert wide == []
    assert [url for url in outside if not url.startswith((address, "data:", "blob:"))] == []


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: apt-get install chromium")
def test_axe_finds_nothing_on_a_page_of_code(address: str):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            sheet = browser.new_page(color_scheme=scheme)
            sheet.goto(f"{address}/tutorial.html")
            sheet.wait_for_selector(".md-code__nav")
            found = axe.Axe().run(sheet)
            assert found.violations_count == 0, found.generate_report()
        browser.close()
