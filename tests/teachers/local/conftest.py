"""A tiny random model in a folder, and an experiment that asks it."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from local_models import make_model, make_tokenizer


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model and its tokenizer in a folder."""
    folder = tmp_path_factory.mktemp("models") / "noise"
    make_model().save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def write_local(write_experiment, tmp_path: Path, noise: Path):
    """Writes an experiment whose teacher is a tiny random model beside it."""
    shutil.copytree(noise, tmp_path / "noise")

    def write(changes: dict[str, object] | None = None, **rows: Any) -> Path:
        teacher: dict[str, object] = {"kind": "local", "model": "noise", "max_tokens": 8}
        teacher |= {"gate": {"rows": 0}, "batch_size": 4}
        return write_experiment({"teacher": teacher, **(changes or {})}, **rows)

    return write
