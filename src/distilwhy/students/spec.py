"""What a student is for."""

from dataclasses import dataclass

from distilwhy.config import StudentConfig
from distilwhy.core.method import Method, TargetTask
from distilwhy.core.task import Task

TASK_PREFIXES: dict[TargetTask, str] = {"label": "predict: ", "rationale": "explain: "}


@dataclass(frozen=True)
class StudentSpec:
    """The task that a student answers and the method that trains it.

    Attributes:
        config: The ``student`` section: model, shape, and length limits in tokens.
        two_passes: Encode the source once for each task, behind a prefix that names the task
            (Hsieh et al. 2023, section 3.2), instead of once for both.
    """

    task: Task
    method: Method
    config: StudentConfig
    two_passes: bool = False

    @property
    def is_choice(self) -> bool:
        """Whether the answer is one of a set of choices."""
        return self.task.answer.kind == "choice"

    def source(self, text: str, task: TargetTask) -> str:
        """The input text for a task.

        A method that writes both targets in one sequence always uses the label's prefix.
        """
        if not self.two_passes:
            return text
        return TASK_PREFIXES[task if self.method.place == "apart" else "label"] + text
