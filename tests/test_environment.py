"""Environment variables that the command line sets for the libraries that it imports."""

import os
import subprocess
import sys

import pytest

from distilwhy.environment import DEFAULTS, set_defaults


def test_what_the_user_has_set_is_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.environ", {"LRU_CACHE_CAPACITY": "7"})
    set_defaults()
    assert os.environ == {**DEFAULTS, "LRU_CACHE_CAPACITY": "7"}


def test_a_policy_of_the_user_is_not_overruled(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.environ", {"OMP_WAIT_POLICY": "ACTIVE"})
    set_defaults()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
    assert "GOMP_SPINCOUNT" not in os.environ


def test_the_command_line_sets_them_before_torch_reads_them():
    code = (
        "import os, sys\n"
        "import distilwhy.cli.app as cli\n"
        "cli._call = lambda: print('torch' in sys.modules, os.environ['LRU_CACHE_CAPACITY'])\n"
        "cli.main()\n"
    )
    bare = {name: value for name, value in os.environ.items() if name not in DEFAULTS}
    done = subprocess.run(
        [sys.executable, "-c", code], env=bare, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split() == ["False", DEFAULTS["LRU_CACHE_CAPACITY"]], done.stderr
