"""What a student is for."""

from dataclasses import dataclass, replace

from distilwhy.config import StudentConfig
from distilwhy.core.method import INPUT_RATIONALE, Method, TargetTask
from distilwhy.core.task import Task

TASK_PREFIXES: dict[TargetTask, str] = {"label": "predict: ", "rationale": "explain: "}
# What follows a row's input where it has a rationale, as ``render_source`` puts it there.
_RATIONALE = "{% if rationale %}" + INPUT_RATIONALE.format("{{ rationale }}") + "{% endif %}"


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

    @property
    def inference_task(self) -> Task:
        """The task for reading rows to predict.

        Gold labels are ignored, and a method that reads the teacher's rationale takes it from the
        field ``rationale``.
        """
        row_format = replace(self.task.row_format, gold=None)
        if self.method.asks_teacher:
            template = "{% filter trim %}" + row_format.template + "{% endfilter %}" + _RATIONALE
            row_format = replace(row_format, template=template)
        return replace(self.task, row_format=row_format)

    def source(self, text: str, task: TargetTask) -> str:
        """The input text for a task.

        A method that writes both targets in one sequence always uses the label's prefix.
        """
        if not self.two_passes:
            return text
        return TASK_PREFIXES[task if self.method.place == "apart" else "label"] + text
