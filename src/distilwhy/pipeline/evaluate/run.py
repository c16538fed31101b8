"""Score the trained students on the test rows, which no other stage reads."""

from collections.abc import Callable
from dataclasses import asdict, replace

from distilwhy.core.results import Results
from distilwhy.pipeline.annotate.annotations import Annotations, read_annotations
from distilwhy.pipeline.evaluate.baselines import BaselineScorer
from distilwhy.pipeline.evaluate.cases import list_cases
from distilwhy.pipeline.evaluate.deployments import publish_deployments
from distilwhy.pipeline.evaluate.predictions import list_scoring_jobs, predict_all
from distilwhy.pipeline.evaluate.report import write_report
from distilwhy.pipeline.evaluate.results import compute_results
from distilwhy.pipeline.experiment import Experiment
from distilwhy.store.files import publish_jsonl
from distilwhy.store.results import publish_results
from distilwhy.students.training.distributed import require_single_process


def evaluate(
    experiment: Experiment,
    watch: Callable[[int, int], None] = lambda done, students: None,
    *,
    workers: int | None = 1,
    annotations: Annotations | None = None,
) -> Results:
    """Score every up-to-date student of the experiment and of its study.

    The trivial baselines beside them are scored too.

    Writes ``results.json``, ``measured.json``, ``cases.jsonl`` and the report in the run folder,
    and ``deploy.json`` in each student's.
    Answers that are kept from an earlier evaluation are used again.

    Args:
        watch: Called with the number of students that have answered and the number to do.
        workers: How many students answer side by side; None: as many as the machine allows.

    Raises:
        ConfigError: if there are no test rows.
        RunError: if no student is trained and up to date; if another process works in the run
            folder, or was started together with this one.
    """
    require_single_process()
    with experiment.folder.lock():
        experiment = experiment.in_memory()
        if annotations is None:
            annotations = read_annotations(experiment)
        jobs, outdated = list_scoring_jobs(experiment, annotations)
        predictions = predict_all(experiment, jobs, workers, watch)
        publish_deployments(experiment.folder, predictions)
        baselines = BaselineScorer(experiment, annotations, jobs).compare(predictions)
        results = compute_results(experiment, annotations, predictions, baselines)
        results = replace(results, outdated=outdated)
        cases = list_cases(experiment, annotations, jobs, predictions)
        publish_jsonl(experiment.folder.cases, map(asdict, cases))
        publish_results(experiment.folder, results)
        write_report(experiment.folder)
    return results
