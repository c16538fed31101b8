"""The whole job: annotate, train, evaluate, doing only what is not yet done."""

from collections.abc import Callable
from dataclasses import dataclass, field

from distilwhy.flows import annotate as annotating
from distilwhy.flows.annotate import annotate, refuse_unreadable
from distilwhy.flows.evaluate import Scores, evaluate
from distilwhy.flows.experiment import Experiment
from distilwhy.flows.train import Watcher, train_students


@dataclass(frozen=True)
class Watch:
    """Whom to tell how the steps get on; each may be left to do nothing."""

    annotation: annotating.Watch = lambda progress: None
    training: Watcher = field(default_factory=Watcher)
    evaluation: Callable[[str, int], None] = lambda method, seed: None


def run(
    experiment: Experiment,
    watch: Watch | None = None,
) -> Scores:
    """Annotate, train and evaluate; each step picks up where an earlier run left it.

    Raises:
        DistilwhyError: whatever stops a step; what was done until then is kept.
    """
    watch = watch or Watch()
    annotate(experiment, watch=watch.annotation)
    refuse_unreadable(experiment)
    train_students(experiment, watcher=watch.training)
    return evaluate(experiment, watch.evaluation)
