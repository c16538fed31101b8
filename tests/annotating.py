"""The calls of an experiment."""

from distilwhy.pipeline.annotate.annotations import read_annotations
from distilwhy.pipeline.annotate.calls import Call, open_calls
from distilwhy.pipeline.annotate.records import explanation_calls, find_missed_gold
from distilwhy.pipeline.experiment import Experiment
from distilwhy.pipeline.train.jobs import TrainingJobs
from distilwhy.store.ledger import read_ledger


def all_calls(experiment: Experiment) -> list[Call]:
    """The calls that ask for answers about all rows."""
    return list(open_calls(experiment).all_answer_calls(experiment.to_annotate))


def explanations(experiment: Experiment) -> list[Call]:
    """The calls that ask for explanations, as far as the answers so far call for any."""
    with read_ledger(experiment.folder.ledger) as ledger:
        calls = open_calls(experiment)
        return list(explanation_calls(calls, find_missed_gold(calls, ledger)))


def training_jobs(experiment: Experiment) -> TrainingJobs:
    """The trainings of an experiment, over its annotations as they are now."""
    return TrainingJobs(experiment, read_annotations(experiment))
