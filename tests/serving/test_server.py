"""The real server: its process, its signals, and the page in a browser."""

import os
import re
import shutil
import signal
import socket
import threading

import httpx2 as httpx
import pytest
import uvicorn

from distilwhy.errors import ConfigError
from distilwhy.serving.server import serve
from distilwhy.serving.settings import ServerSettings
from server_process import Server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def test_sigterm_under_load_loses_no_accepted_row(student_folder):
    server = Server(student_folder, "--max-wait", "60")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", server.address)
    answers, refused, first = [], [], threading.Event()

    def load(worker):
        with httpx.Client(base_url=server.address, timeout=60) as client:
            for i in range(200):
                try:
                    reply = client.post("/predict", json={"row": {"x": "a", "id": f"{worker}-{i}"}})
                except httpx.TransportError as error:
                    refused.append(error)
                    return
                answers.append((f"{worker}-{i}", reply))
                first.set()

    threads = [threading.Thread(target=load, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    assert first.wait(60)
    assert server.stop() in (0, -signal.SIGTERM)
    for thread in threads:
        thread.join()
    assert not [error for error in refused if isinstance(error, httpx.ReadTimeout)]
    for key, reply in answers:
        assert reply.status_code == 200
        assert [one["id"] for one in reply.json()["predictions"]] == [key]


def test_a_half_sent_body_and_a_client_that_hangs_up_change_nothing(student_server):
    import socket

    host, port = student_server.address.removeprefix("http://").split(":")
    head = "POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    for sent in ('Content-Length: 500\r\n\r\n{"row": {', "Content-Length: -1\r\n\r\n", "\r\n"):
        with socket.create_connection((host, int(port))) as hung:
            hung.sendall((head + sent).encode())
    assert httpx.get(f"{student_server.address}/ready", timeout=60).status_code == 200


def test_the_openai_client_talks_to_it(student_server):
    openai = pytest.importorskip("openai", reason="openai is not installed")
    client = openai.OpenAI(base_url=f"{student_server.address}/v1", api_key="none")
    asked = {"model": "any", "messages": [{"role": "user", "content": "the desk"}]}
    whole = client.chat.completions.create(**asked).choices[0].message.content
    pieces = [
        chunk.choices[0].delta.content or ""
        for chunk in client.chat.completions.create(**asked, stream=True)
    ]
    assert "".join(pieces) == whole
    assert client.models.list().data[0].id == "distilwhy-student"
    with pytest.raises(openai.UnprocessableEntityError, match="is empty; it must hold"):
        client.chat.completions.create(model="any", messages=[{"role": "user", "content": ""}])


def test_another_machine_needs_a_key(student_folder):
    for host in ("0.0.0.0", "example.org"):
        with pytest.raises(ConfigError, match="no API key is set"):
            serve(student_folder, ServerSettings(), host, 0)


def test_a_port_that_is_taken_is_named(student_server, student_folder):
    port = int(student_server.address.rpartition(":")[2])
    with pytest.raises(ConfigError, match=f"--port {port}: cannot be opened"):
        serve(student_folder, ServerSettings(), "127.0.0.1", port)


def test_answers_are_sent_at_once(student_folder, monkeypatch):
    opened = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda server, sockets: opened.extend(sockets))
    serve(student_folder, ServerSettings(), "127.0.0.1", 0)
    (listening,) = opened
    with listening, socket.create_connection(listening.getsockname()), listening.accept()[0] as one:
        assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_two_workers_share_the_port_and_their_metrics(student_folder):
    server = Server(student_folder, "--workers", "2")
    for _ in range(20):
        # A new connection each time may reach either process; it waits until one has started.
        body = {"row": {"x": "a"}}
        assert httpx.post(f"{server.address}/predict", json=body, timeout=240).status_code == 200
    told = httpx.get(f"{server.address}/metrics", timeout=240).text
    count = r'distilwhy_requests_total\{route="/predict",status="200"\} 20\.0'
    assert re.search(count, told)
    assert server.stop() in (0, -signal.SIGTERM)
    assert not os.path.exists(f"/proc/{server.process.pid}")


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield launched
        launched.close()


@pytest.fixture
def tab(browser, student_server):
    page = browser.new_page()
    problems, asked = [], []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(student_server.address)
    yield page
    assert problems == []
    assert all(url.startswith((student_server.address, "blob:")) for url in asked)
    page.close()


def test_the_page_answers_a_row_by_keyboard(tab):
    tab.wait_for_selector("#field-x")
    tab.keyboard.type("the desk")
    tab.keyboard.press("Control+Enter")
    tab.wait_for_selector("#result:not([hidden])")
    assert tab.inner_text("#label") in ("Line Desk", "Line Desks", "Accounts")
    assert "% sure" in tab.inner_text("#confidence").replace("\u202f", " ")


def test_the_page_answers_a_pasted_table_and_offers_it_as_csv(tab):
    tab.wait_for_selector("#field-x")
    tab.fill("#paste", 'x;note\n"one; two";a\nthree;"b ""c"""\n')
    tab.click("#start")
    tab.wait_for_selector("#download:not([hidden])")
    assert tab.locator("#body tr").count() == 2
    with tab.expect_download() as download:
        tab.click("#download")
    lines = download.value.path().read_text("utf-8-sig").splitlines()
    assert lines[0] == "x,note,label,confidence"
    assert lines[1].startswith('"one; two",a,')
    tab.fill("#paste", "y\n1\n")
    tab.click("#start")
    assert "No column x" in tab.inner_text("#fault")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_and_axe_finds_nothing(browser, student_server, scheme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe")
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(student_server.address)
    page.wait_for_selector("#field-x")
    page.fill("#paste", "x\none\ntwo\n")
    page.click("#start")
    page.wait_for_selector("#download:not([hidden])")
    page.fill("#field-x", "the desk")
    page.click("#go")
    page.wait_for_selector("#result:not([hidden])")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    if target := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{target}/serve-{scheme}-{width}.png", full_page=True)
    page.close()
