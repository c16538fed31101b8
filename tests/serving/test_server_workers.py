"""Several worker processes: one that is killed is replaced, and only its own clients notice."""

import http.client
import json
import signal
import threading
import time

import httpx2 as httpx
import psutil
import pytest

from distilwhy.errors import RunError
from distilwhy.serving.app import AppFactory
from distilwhy.serving.server import serve
from distilwhy.serving.settings import ServerSettings
from distilwhy.students.student import Student
from server_process import Server

JSON = {"Content-Type": "application/json"}
TEXTS = ["a plain desk", "two desks", "日本語の文です。", "nothing at all"]


@pytest.fixture(scope="module")
def known(student_folder):
    return [round(one.confidence, 3) for one in Student.load(student_folder).predict(TEXTS)]


@pytest.fixture(scope="module")
def server(student_folder):
    started = Server(student_folder, "--workers", "2", "--max-wait", "60")
    yield started
    if started.process.poll() is None:
        started.stop()


class Client(threading.Thread):
    """Asks over one connection until told to stop, or until the connection fails.

    It never pauses: a server closes a connection that is idle.
    """

    def __init__(self, server, known, number):
        super().__init__(daemon=True)
        self.known, self.number = known, number
        self.answers, self.wrong, self.fault = 0, [], None
        self.stopped = threading.Event()
        self.connection = http.client.HTTPConnection(server.address.removeprefix("http://"))
        self.connection.connect()
        self.ask()
        self.port = self.connection.sock.getsockname()[1]
        self.start()

    def ask(self):
        place = (self.number + self.answers) % len(TEXTS)
        row = {"x": TEXTS[place], "id": f"{self.number}-{self.answers}"}
        self.connection.request("POST", "/predict", json.dumps({"row": row}), JSON)
        reply = self.connection.getresponse()
        body = reply.read()
        assert reply.status == 200, body
        (found,) = json.loads(body)["predictions"]
        if (found["id"], round(found["confidence"], 3)) != (row["id"], self.known[place]):
            self.wrong.append((row, found))
        self.answers += 1

    def run(self):
        try:
            while not self.stopped.is_set():
                self.ask()
        except (http.client.HTTPException, OSError) as error:
            self.fault = error
        self.connection.close()


def workers(server):
    """The worker processes with the ports of the clients that each has accepted."""
    found = {}
    for process in psutil.Process(server.process.pid).children():
        ports = {one.raddr.port for one in process.net_connections("tcp") if one.raddr}
        if any(one.status == "LISTEN" for one in process.net_connections("tcp")):
            found[process.pid] = ports
    return found


def connect_to_each(server, known):
    """Clients under way, two to four of each of two workers."""
    until, clients, served = time.monotonic() + 120, [], []
    while len(workers(server)) < 2 and time.monotonic() < until:
        time.sleep(0.2)
    while time.monotonic() < until:
        clients.append(Client(server, known, len(clients)))
        ports = workers(server).values()
        served = [[one for one in clients if one.port in accepted] for accepted in ports]
        if len(served) == 2 and min(map(len, served)) >= 2:
            break
    chosen = [one for of_worker in served for one in of_worker[:4]]
    finish([one for one in clients if one not in chosen])
    assert len(chosen) >= 4, served
    return chosen


def finish(clients):
    for one in clients:
        one.stopped.set()
    for one in clients:
        one.join(60)
    assert not any(one.is_alive() for one in clients)
    assert not [wrong for one in clients for wrong in one.wrong]


def test_a_worker_that_is_killed_is_replaced_and_the_others_lose_nothing(server, known):
    clients = connect_to_each(server, known)
    before = workers(server)
    killed = next(iter(before))
    psutil.Process(killed).kill()
    own = [one for one in clients if one.port in before[killed]]
    for one in own:
        one.join(60)
    finish(clients)
    assert all(one.fault for one in own)
    assert not any(one.fault for one in clients if one not in own)
    after = connect_to_each(server, known)
    assert killed not in workers(server)
    finish(after)
    assert not [one.fault for one in after if one.fault]
    told = httpx.get(f"{server.address}/metrics", timeout=60).text
    assert "\ndistilwhy_waiting_rows 0.0\n" in told


def test_sigterm_under_load_answers_what_every_worker_accepted(server, known):
    clients = connect_to_each(server, known)
    server.process.send_signal(signal.SIGTERM)
    told = server.process.communicate(timeout=120)[1]
    assert server.process.returncode in (0, -signal.SIGTERM)
    assert "Traceback" not in told
    finish(clients)
    assert not [one.fault for one in clients if isinstance(one.fault, TimeoutError)]


def test_workers_end_with_their_supervisor(student_folder):
    server = Server(student_folder, "--workers", "2")
    started = psutil.Process(server.process.pid).children()
    assert httpx.get(f"{server.address}/ready", timeout=120).status_code == 200
    server.process.kill()
    server.process.communicate(timeout=60)
    assert psutil.wait_procs(started, timeout=60)[1] == []


def test_a_worker_that_cannot_start_ends_the_server_with_a_message(
    student_folder, monkeypatch, tmp_path
):
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # The student is there when the server starts, and gone when its workers do.
    monkeypatch.setattr(AppFactory, "__call__", lambda factory: None)
    with pytest.raises(RunError, match="a worker process could not start"):
        serve(tmp_path, ServerSettings(), "127.0.0.1", 0, workers=2)
    for number, handler in before.items():
        signal.signal(number, handler)
