"""Asks the teacher about every row that the ledger does not answer yet."""

from decimal import Decimal

from distilwhy.pipeline.annotate.budget import read_spending, require_enough
from distilwhy.pipeline.annotate.coverage import spread_rows
from distilwhy.pipeline.annotate.inspect.retry import RetryPlan
from distilwhy.pipeline.annotate.recorder import AnnotationProgress, OnProgress
from distilwhy.pipeline.annotate.session import Confirm, Engine, Proposal, open_session
from distilwhy.pipeline.experiment import Experiment


def annotate(
    experiment: Experiment,
    limit: int | None = None,
    watch: OnProgress = lambda progress: None,
    *,
    confirm: Confirm = lambda proposal: True,
    budget: Decimal | None = None,
    engine: Engine = "asyncio",
    workers: int | None = None,
    wait: bool = True,
    forget_batches: bool = False,
) -> AnnotationProgress:
    """Ask about every row without an answer, and save each answer.

    Calls that failed in earlier runs are made again; answered calls never are. With
    ``teacher.batch`` the calls after the gate are sent in batches, and the batches of an earlier
    run are fetched.

    Args:
        limit: Make at most so many calls.
        watch: Called whenever answers have been saved.
        confirm: Called before rows are paid for again, and again with the first answers; returns
            False to stop.
        budget: The most to spend on the run folder, over all runs; None for ``teacher.budget``.
        engine: Where to make calls: in this process, or on the workers of a Ray cluster.
        workers: How many workers of the cluster; None for one on each node.
        wait: Wait for batches. Otherwise check each once, send the missing calls, and return.
        forget_batches: Make the calls of unfinished batches again; they stay counted as spent.

    Raises:
        TeacherError: if the endpoint is dead, refuses the key or fails call after call, or the
            first answers are bad or not confirmed. Answers so far are saved.
        BudgetError: if what is left would not cover the worst case of the next call.
        ConfigError: if there is a budget and no prices, or a teacher that bills nobody; if Ray is
            not installed, or is combined with batches.
        RunError: if another process uses the run folder, or was started along with this one.
    """
    with open_session(
        experiment, limit, watch, confirm, budget, engine, workers, forget_batches=forget_batches
    ) as session:
        # 1. Find the calls that the ledger does not answer.
        answers = session.find_answers()
        if answers.missing:
            # 2. Confirm that rows are paid for again, if any are.
            session.confirm_repaying(answers)
            # 3. Learn from the first call whether the endpoint supports a JSON schema.
            session, answers = session.settle_form(answers)
            # 4. Check a few answers, and confirm the cost of the rest.
            session.pass_gate(answers)
        # 5. Ask about all other rows.
        session.make_all(session.list_answer_calls, answers, wait=wait)
        # 6. Ask the teacher to explain the gold labels that its answers missed. Which these are
        #    is known once no batch is under way.
        if not session.recorder.progress.batches:
            explanations = session.find_explanations()
            session.make_all(session.list_explanation_calls, explanations, wait=wait)
        return session.recorder.progress


def annotate_study(
    experiment: Experiment,
    watch: OnProgress = lambda progress: None,
    *,
    confirm: Confirm = lambda proposal: True,
    budget: Decimal | None = None,
) -> None:
    """Do what ``annotate`` does, for every teacher of a study.

    Args:
        budget: The most to spend on all of them together, over all runs.

    Raises:
        DistilwhyError: as ``annotate``.
    """
    teachers = [experiment, *experiment.other_teachers.values()]
    billed = [one for one in teachers if one.config.teacher.bills]
    for teacher in teachers:
        cap = budget
        if budget is not None and billed:
            spent = (read_spending(one) for one in billed if one is not teacher)
            left = budget - sum((one.total for one in spent if one), Decimal(0))
            cap = max(Decimal(0), left) if teacher.config.teacher.bills else None
        annotate(teacher, watch=watch, confirm=confirm, budget=cap)


def run_pilot(
    experiment: Experiment,
    rows: int,
    watch: OnProgress = lambda progress: None,
    *,
    budget: Decimal | None = None,
) -> AnnotationProgress:
    """Ask about a few rows, spread over all, to sharpen the estimate of the rest.

    Args:
        watch: As for ``annotate``; so is ``budget``.

    Raises:
        DistilwhyError: as ``annotate``.
    """
    with open_session(experiment, None, watch, budget=budget) as session:
        session, _ = session.settle_form(session.find_answers())
        picked = spread_rows(experiment.annotated, rows)
        session.make(lambda: map(session.calls.answer_call, picked))
        return session.recorder.progress


def run_retry(
    experiment: Experiment,
    retry: RetryPlan,
    limit: int | None = None,
    watch: OnProgress = lambda progress: None,
    *,
    confirm: Confirm = lambda proposal: True,
    budget: Decimal | None = None,
) -> AnnotationProgress:
    """Forget some answers and ask for them again. What they cost stays counted as spent.

    Args:
        limit: As for ``annotate``; so are the others.

    Raises:
        DistilwhyError: as ``annotate``. Nothing has been forgotten if the budget is too small, or
            the retry is not confirmed.
    """
    with open_session(experiment, limit, watch, confirm, budget) as session:
        require_enough(retry, session.guard)
        session.recorder.add_calls(len(retry.calls), 0)
        if retry.estimate:
            session.require_confirmed(Proposal(retry.estimate, retry=retry))
        session.ledger.forget(retry.answered, "asked again")
        session.make(lambda: iter(retry.calls))
        return session.recorder.progress
