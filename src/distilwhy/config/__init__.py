"""The experiment file: strict pydantic over YAML."""

from distilwhy.config.experiment import (
    AnswerConfig,
    DataConfig,
    ExperimentConfig,
    HubConfig,
    PricesConfig,
    Settings,
    StudyConfig,
    TaskConfig,
)
from distilwhy.config.reading import Config, check_config, read_config, read_yaml
from distilwhy.config.strategy import ExemplarsConfig, StrategyConfig
from distilwhy.config.student import (
    LoraConfig,
    ScratchConfig,
    SoftLabelsConfig,
    StudentConfig,
    TrackerChoice,
    TrainingConfig,
)
from distilwhy.config.teacher import (
    GateConfig,
    HttpTeacherConfig,
    LocalTeacherConfig,
    RecordedTeacherConfig,
    SplitChoice,
    TeacherConfig,
)
