from ._version import __version__ as __version__
from .config import (
    HttpTeacherConfig,
    LocalTeacherConfig,
    RecordedTeacherConfig,
    ScratchConfig,
    Settings,
    StudentConfig,
    TrainingConfig,
)
from .core.method import METHODS, Method, TargetOptions, render_training_rows
from .core.parsing.answer import Answer
from .core.parsing.completion import Annotation, Completion
from .core.parsing.parse import parse_completion
from .core.prompt import Message, Prompt, PromptPrefix, render_prefix, render_prompt
from .core.results import MethodScore, Results, StudentScore
from .core.splits import Splits, set_aside
from .core.stats.comparisons import Prediction
from .core.stats.scores import Comparison, Score, compare, score
from .core.task import Example, Exemplar, Task
from .errors import (
    BudgetError,
    ConfigError,
    DataError,
    DistilwhyError,
    RunError,
    StudentError,
    TeacherError,
)
from .pipeline.annotate.run import annotate
from .pipeline.evaluate.run import evaluate
from .pipeline.experiment import Experiment, open_experiment
from .pipeline.run import run
from .pipeline.task import read_task
from .pipeline.train.run import train_students
from .store.examples import read_examples
from .store.rows import HubSplit
from .store.run_folder import RunFolder
from .students.student import Student

__all__ = [
    "METHODS",
    "Annotation",
    "Answer",
    "BudgetError",
    "Comparison",
    "Completion",
    "ConfigError",
    "DataError",
    "DistilwhyError",
    "Example",
    "Exemplar",
    "Experiment",
    "HttpTeacherConfig",
    "HubSplit",
    "LocalTeacherConfig",
    "Message",
    "Method",
    "MethodScore",
    "Prediction",
    "Prompt",
    "PromptPrefix",
    "RecordedTeacherConfig",
    "Results",
    "RunError",
    "RunFolder",
    "Score",
    "ScratchConfig",
    "Settings",
    "Splits",
    "Student",
    "StudentConfig",
    "StudentError",
    "StudentScore",
    "TargetOptions",
    "Task",
    "TeacherError",
    "TrainingConfig",
    "annotate",
    "compare",
    "evaluate",
    "open_experiment",
    "parse_completion",
    "read_examples",
    "read_task",
    "render_prefix",
    "render_prompt",
    "render_training_rows",
    "run",
    "score",
    "set_aside",
    "train_students",
]
