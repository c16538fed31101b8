"""Opens the teacher that an experiment names."""

from distilwhy.config import LocalTeacherConfig, RecordedTeacherConfig
from distilwhy.pipeline.annotate.recorded_files import open_recorded
from distilwhy.pipeline.experiment import Experiment
from distilwhy.teachers.base import Teacher
from distilwhy.teachers.local.teacher import LocalTeacher
from distilwhy.teachers.replicas import open_http_teacher


def open_teacher(experiment: Experiment) -> Teacher:
    """The teacher of an experiment. No endpoint is contacted, and no model is loaded yet.

    Raises:
        ConfigError: if its model or tokenizer is a path that does not exist.
        TeacherError: if recorded completions cannot be read.
    """
    config = experiment.config.teacher
    if isinstance(config, RecordedTeacherConfig):
        return open_recorded(config, experiment.file.parent)
    if isinstance(config, LocalTeacherConfig):
        return LocalTeacher(config, experiment.locate("teacher.model", config.model))
    name = config.tokenizer
    return open_http_teacher(config, experiment.locate("teacher.tokenizer", name) if name else None)
