"""A small student in a folder, and a server of it in a process of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from server_process import Server
from tiny_students import scratch


@pytest.fixture(scope="module")
def student_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student's folder."""
    path = tmp_path_factory.mktemp("student")
    scratch().save(path)
    return path


@pytest.fixture(scope="module")
def student_server(student_folder: Path) -> Iterator[Server]:
    """A server that lets rows wait as long as the tests' machine makes them."""
    started = Server(student_folder, "--max-wait", "60")
    yield started
    started.stop()
