"""A file system of its own, small enough to fill and easy to make read-only."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Mount = Callable[[str], Path]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mounts ``disk`` with options such as ``size=180k`` or ``remount,ro``; only root can."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mounts(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("only root can mount a file system")
        return disk

    yield mounts
    subprocess.run(["umount", "--lazy", str(disk)], capture_output=True, check=False)
