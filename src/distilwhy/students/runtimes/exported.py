"""What the students of all runtimes have in common."""

from pathlib import Path
from typing import ClassVar

import torch

from distilwhy.errors import StudentError
from distilwhy.students.network import Network


class Exported(Network):
    """A student without weights in torch: another runtime does its arithmetic, on the CPU.

    Its modules are on torch's ``meta`` device. They only say which inputs the student takes.

    Attributes:
        place: The folder of the runtime's files within the student's.
    """

    place: ClassVar[str]

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    @property
    def is_full(self) -> bool:
        return False

    def save(self, folder: Path) -> None:
        raise StudentError(
            f"{folder}: a student exported to {self.runtime} cannot be saved; copy its folder"
        )
