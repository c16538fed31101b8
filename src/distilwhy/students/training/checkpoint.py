"""The checkpoint of a training: its state, so that it can resume, and its best weights."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from distilwhy.core.training_summary import Evaluation
from distilwhy.errors import StudentError, first_line

_STATE, _BEST = "state", "best.pt"
_NOT_WRITTEN = re.compile(
    r"No space left|quota exceeded|I/O error|os error \d|inline_container|StreamWriter", re.I
)


@contextmanager
def explaining_full_disk(folder: Path) -> Iterator[None]:
    """In this context, an error because a file cannot be written becomes a StudentError."""
    try:
        yield
    # torch, safetensors and tokenizers each raise errors of their own.
    except Exception as error:
        if isinstance(error, OSError) or _NOT_WRITTEN.search(str(error)):
            raise StudentError(
                f"{folder}: cannot be written ({first_line(error)}); make room on the disk, then "
                "run the command again to go on"
            ) from error
        raise


class BrokenCheckpointError(StudentError):
    """None of the checkpoints of a training can be read."""


@dataclass
class TrainingState:
    """Where a training is: all that it needs to resume besides weights and optimizer.

    Attributes:
        best_step: The step with the best validation accuracy, the latest of equals.
        improved_step: The step at which that accuracy was first reached.
        seconds: Time spent in steps and evaluations.
        tokens: The tokens trained on, read and written.
    """

    step: int = 0
    best_step: int = 0
    improved_step: int = 0
    best_accuracy: float = -1.0
    seconds: float = 0.0
    tokens: int = 0
    log: list[Evaluation] = field(default_factory=list)

    def state_dict(self) -> dict[str, Any]:
        return asdict(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.log = [Evaluation(**line) for line in state["log"]]

    def add(self, evaluation: Evaluation) -> bool:
        """Log an evaluation; whether it is the best so far."""
        self.log.append(evaluation)
        is_best = evaluation.validation_accuracy >= self.best_accuracy
        if evaluation.validation_accuracy > self.best_accuracy:
            self.improved_step = self.step
        if is_best:
            self.best_step = self.step
            self.best_accuracy = evaluation.validation_accuracy
        return is_best

    def has_converged(self, patience: int | None, start: int = 0) -> bool:
        """Whether the last ``patience`` evaluations, all after step ``start``, have brought no
        improvement."""
        last = max(start, self.improved_step)
        since = sum(evaluation.step > last for evaluation in self.log)
        return patience is not None and since >= patience


class Checkpoint:
    """The folder of one training's checkpoint, shared by all processes."""

    def __init__(self, folder: Path, accelerator: Accelerator) -> None:
        self.folder, self._accelerator = folder, accelerator

    def resume(self, say: Callable[[str], None] = lambda line: None) -> None:
        """Load the last saved state that can be read, if there is one.

        Args:
            say: Called with a message if one cannot be read.

        Raises:
            BrokenCheckpointError: if all of them are broken. Weights may have been changed.
        """
        state = self.folder / _STATE
        saved = [place for place in (state, state.with_suffix(".old")) if place.is_dir()]
        for place in saved:
            if self._load(place):
                return
            say(f"checkpoint {place} cannot be read")
        if saved:
            raise BrokenCheckpointError(f"{self.folder}: no checkpoint can be read; delete it")

    def _load(self, place: Path) -> bool:
        """Load a saved state; False if any process cannot, or its best weights are gone."""
        try:
            self._accelerator.load_state(str(place))
            torch.load(self.folder / _BEST, map_location="cpu", weights_only=True)
            is_whole = True
        # torch raises errors of many kinds on a broken file.
        except Exception:  # noqa: BLE001
            is_whole = False
        found = torch.tensor(float(is_whole), device=self._accelerator.device)
        whole = self._accelerator.reduce(found)
        return bool(whole.item() == self._accelerator.num_processes)

    def save(self) -> None:
        """Save the state. The previous one stays until the new one is complete."""
        state = self.folder / _STATE
        aside, old = state.with_suffix(".part"), state.with_suffix(".old")
        self._accelerator.wait_for_everyone()
        with explaining_full_disk(self.folder):
            self._accelerator.save_state(str(aside), safe_serialization=False)
        self._accelerator.wait_for_everyone()
        if self._accelerator.is_main_process:
            shutil.rmtree(old, ignore_errors=True)
            if state.exists():
                state.rename(old)
            aside.rename(state)
        self._accelerator.wait_for_everyone()

    def save_best(self, weights: dict[str, torch.Tensor]) -> None:
        """Save the best weights, in the main process only."""
        if self._accelerator.is_main_process:
            self.folder.mkdir(parents=True, exist_ok=True)
            aside = self.folder / "best.part"
            with explaining_full_disk(self.folder):
                torch.save(weights, aside)
            aside.replace(self.folder / _BEST)

    def load_best(self) -> dict[str, torch.Tensor]:
        """The best weights, once all processes are done."""
        self._accelerator.wait_for_everyone()
        best: dict[str, torch.Tensor] = torch.load(
            self.folder / _BEST, map_location="cpu", weights_only=True
        )
        return best
