"""The API keeps to the OpenAPI schema that it publishes."""

import re
import subprocess
import sys

import pytest

from server_process import Server
from tiny_students import scratch


def test_schemathesis_finds_no_failure(tmp_path):
    pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    scratch().save(tmp_path / "student")
    server = Server(tmp_path / "student")
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{server.address}/openapi.json"]
    try:
        # The same requests each time, and few: a run of thousands takes minutes.
        options = ["--max-examples", "20", "--seed", "1", "--generation-deterministic"]
        found = subprocess.run(
            [*command, *options], cwd=tmp_path, capture_output=True, text=True, timeout=300
        )
    finally:
        server.stop()
    assert found.returncode == 0, found.stdout[-4000:]
    assert re.search(r"Operations: +7 selected", found.stdout)
