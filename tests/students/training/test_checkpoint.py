"""A training whose checkpoint is broken goes on from an older one, or begins again."""

from pathlib import Path

import pytest

from distilwhy.errors import StudentError
from distilwhy.students.training.checkpoint import BrokenCheckpointError, explaining_full_disk
from fruit import Killed, are_equal, new_student, train_fruit, weights_of


def kill(folder: Path, at: int) -> None:
    def die(step: int, steps: int) -> None:
        if step == at:
            raise Killed

    with pytest.raises(Killed):
        train_fruit(folder, on_step=die)


@pytest.fixture
def straight(tmp_path: Path):
    student = new_student()
    train_fruit(tmp_path / "straight", student)
    return weights_of(student)


def damage(folder: Path) -> None:
    """Cut every file of a saved state in half, as a power cut does."""
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize("how", [damage, lambda folder: [f.unlink() for f in folder.iterdir()]])
def test_the_older_checkpoint_is_taken_where_the_last_is_broken(tmp_path, straight, how):
    kill(tmp_path / "broken", 25)
    how(tmp_path / "broken/state")
    student, said = new_student(), []
    train_fruit(tmp_path / "broken", student, say=said.append)
    assert are_equal(weights_of(student), straight)
    assert len(said) == 1
    assert said[0].endswith("broken/state cannot be read")


@pytest.mark.parametrize("name", ["state", "best.pt"])
def test_a_training_without_a_whole_checkpoint_says_so(tmp_path, name):
    kill(tmp_path / "broken", 15)
    if name == "state":
        damage(tmp_path / "broken/state")
    else:
        (tmp_path / "broken/best.pt").unlink()
    with pytest.raises(BrokenCheckpointError, match="no checkpoint can be read; delete it"):
        train_fruit(tmp_path / "broken")


@pytest.mark.parametrize("size", ["40k", "200k"])
def test_a_full_disk_is_told_in_a_line(mount, size: str):
    disk = mount(f"size={size}")
    with pytest.raises(
        StudentError, match=r"disk/.*: cannot be written \(.*\); make room"
    ) as caught:
        train_fruit(disk / "run")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 1 vs 2"),
        RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"),
        Exception("No space left on device (os error 28)"),
        OSError(28, "No space left on device"),
    ],
)
def test_the_errors_of_all_who_write_weights_are_told_in_a_line(tmp_path: Path, error: Exception):
    with pytest.raises(StudentError, match="cannot be written"), explaining_full_disk(tmp_path):
        raise error


def test_other_errors_while_saving_stay_what_they_are(tmp_path: Path):
    with pytest.raises(ValueError, match="a fault"), explaining_full_disk(tmp_path):
        raise ValueError("a fault")
