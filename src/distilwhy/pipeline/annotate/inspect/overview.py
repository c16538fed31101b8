"""What a ledger holds: outcomes, problems, time, labels and votes, counted in one pass."""

import re
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from distilwhy.core.cost import Usage
from distilwhy.core.parsing.answer import letter
from distilwhy.core.parsing.completion import Annotation, Outcome
from distilwhy.core.splits import SplitName
from distilwhy.core.stats.comparisons import OutcomeCounts
from distilwhy.core.task import Example
from distilwhy.pipeline.annotate.budget import Spending, read_spending
from distilwhy.pipeline.annotate.records import AnnotatedRow, AnsweredCall, count_rows
from distilwhy.pipeline.experiment import Experiment
from distilwhy.store.ledger import read_ledger

LONGEST_KIND = 120
# Fields of a reply are named in quotes too.
_QUOTED = re.compile(
    r"'(?!rationale'|answer')(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\b(?=\w*\d)[\w-]{8,}\b"
)


@dataclass(frozen=True)
class Problem:
    """Answers that could not be used for one and the same reason.

    Attributes:
        problem: The reason, without what it quotes.
        split: Where the sample row stands.
        row: A row that has it.
        shown: That row's problem with what it quotes, or else the raw reply.
    """

    outcome: Outcome
    problem: str
    count: int
    split: str
    row: str
    shown: str


@dataclass(frozen=True)
class Latency:
    """Seconds that answered calls took: the median, and what 90 % and 99 % stayed within."""

    calls: int
    p50: float
    p90: float
    p99: float


@dataclass(frozen=True)
class LabelCount:
    """How often the teacher gave a label, and how often gold is it, over rows asked about."""

    label: str
    teacher: int
    gold: int


@dataclass(frozen=True)
class VoteShare:
    """How much the answers to one row agree, over rows with several readable ones.

    Attributes:
        mean: The mean share of the label that won.
        unanimous: The rows whose answers all agree.
    """

    rows: int
    mean: float
    unanimous: int


@dataclass(frozen=True)
class Overview:
    """What a ledger holds about the rows of an experiment.

    Attributes:
        tallies: Rows by outcome, and agreement with gold, for each split.
        problems: What kept answers from being used, the commonest first.
        explained: Rows whose gold label the teacher gave reasons for.
        spending: What the run folder was billed; None without prices.
        tokens: What it was billed for certain: tokens read, of those from a cache, and written.
        models: The models that answered, as the endpoint named them, with how often.
        first: When the first of these answers was kept, in ISO 8601; "" where there is none. So
            for ``last``.
        latency: How long calls took; None where none was timed, or nobody was asked.
        by_place: Whether ``labels`` are places among each row's own options, such as ``(a)``.
        labels: The commonest first.
        votes: None where rows have one answer each.
    """

    tallies: dict[SplitName, OutcomeCounts]
    problems: list[Problem]
    explained: int
    spending: Spending | None
    tokens: tuple[int, int, int]
    models: dict[str, int]
    first: str
    last: str
    latency: Latency | None
    by_place: bool
    labels: list[LabelCount]
    votes: VoteShare | None


def read_overview(experiment: Experiment) -> Overview:
    """Read every answer that the ledger holds for these rows, one after the other."""
    counts = _Counts(experiment)
    tallies = count_rows(experiment, watch=counts.add)
    is_recorded = experiment.config.teacher.is_recorded
    with read_ledger(experiment.folder.ledger) as ledger:
        total = sum((usage for usage, certain in ledger.billed() if certain), Usage())
    return Overview(
        tallies=tallies,
        problems=sorted(counts.problems.values(), key=lambda problem: -problem.count),
        explained=counts.explained,
        spending=read_spending(experiment),
        tokens=(total.input, total.cached, total.output),
        models=dict(counts.models.most_common()),
        first=counts.first,
        last=counts.last,
        latency=None if is_recorded else _latency(counts.seconds),
        by_place=counts.labels.by_place,
        labels=counts.labels.counts(),
        votes=_vote_share(counts.labels.shares),
    )


class _Counts:
    """What is counted beside the outcomes, as rows come by."""

    def __init__(self, experiment: Experiment) -> None:
        self.labels = _LabelCount(experiment)
        self.explained = 0
        self.problems: dict[tuple[Outcome, str], Problem] = {}
        self.models: Counter[str] = Counter()
        self.seconds = array("d")
        self.first = self.last = ""

    def add(self, row: AnnotatedRow) -> None:
        self.labels.add(row)
        for answer in row.calls:
            self._add_answer(row, answer)
        self.explained += bool(row.annotation and row.annotation.explanation)

    def _add_answer(self, row: AnnotatedRow, answer: AnsweredCall) -> None:
        said, entry = answer.entry.completion, answer.entry
        if answer.annotation.outcome != "ok":
            self._blame(row, answer)
        if said.error is not None:
            return
        self.first = min(filter(None, (self.first, entry.at)), default="")
        self.last = max(self.last, entry.at)
        if said.model:
            self.models[said.model] += 1
        if entry.seconds is not None:
            self.seconds.append(entry.seconds)

    def _blame(self, row: AnnotatedRow, answer: AnsweredCall) -> None:
        outcome, kind = answer.annotation.outcome, kind_of(answer.annotation)
        known = self.problems.get((outcome, kind))
        if known is None:
            said, problem = answer.entry.completion.text, answer.annotation.problem
            shown = said if problem == kind else problem
            known = Problem(outcome, kind, 0, row.split, row.example.id, shown)
        self.problems[outcome, kind] = replace(known, count=known.count + 1)


class _LabelCount:
    """The labels of rows and how sure votes are; labels that the teacher was told are left out."""

    def __init__(self, experiment: Experiment) -> None:
        self._answer = experiment.task.answer
        self.by_place = self._answer.kind == "choice" and not self._answer.labels
        self.shares = array("d")
        self._teacher: Counter[str] = Counter()
        self._gold: Counter[str] = Counter()

    def add(self, row: AnnotatedRow) -> None:
        if row.annotation is None or row.annotation.saw_gold:
            return
        if row.annotation.label is not None:
            self._teacher[self._name(row.example, row.annotation.label)] += 1
        if row.example.gold is not None:
            self._gold[self._name(row.example, row.example.gold)] += 1
        if sum(answer.annotation.outcome == "ok" for answer in row.answers) > 1:
            self.shares.append(row.annotation.votes[0][1])

    def counts(self) -> list[LabelCount]:
        names = dict.fromkeys([*self._teacher, *self._gold])
        found = [LabelCount(name, self._teacher[name], self._gold[name]) for name in names]
        if self.by_place:
            return sorted(found, key=lambda count: (len(count.label), count.label))
        return sorted(found, key=lambda count: (-count.teacher, -count.gold))

    def _name(self, example: Example, label: str) -> str:
        """The label, as gold has it; an option that each row has others of, by its place."""
        if self._answer.same(label, example.gold):
            label = str(example.gold)
        if self.by_place and label in example.options:
            return f"({letter(example.options.index(label))})"
        return label


def kind_of(annotation: Annotation) -> str:
    """A problem without what it quotes or numbers, so that like ones are one."""
    kind = _QUOTED.sub("…", annotation.problem).removesuffix(": …")
    return kind if len(kind) <= LONGEST_KIND else kind[:LONGEST_KIND] + " …"


def _latency(seconds: Sequence[float]) -> Latency | None:
    if not seconds:
        return None
    return Latency(len(seconds), *np.quantile(np.asarray(seconds), [0.5, 0.9, 0.99]).tolist())


def _vote_share(shares: Sequence[float]) -> VoteShare | None:
    if not shares:
        return None
    table = np.asarray(shares)
    return VoteShare(len(table), float(table.mean()), int((table == 1).sum()))
