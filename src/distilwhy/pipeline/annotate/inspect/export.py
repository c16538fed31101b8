"""The answers of a ledger, with where they come from, in a file or a dataset folder."""

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import sha256
from itertools import chain
from pathlib import Path

from distilwhy.core.cost import Prices, Usage
from distilwhy.core.exported_answer import ExportedAnswer, Vote
from distilwhy.core.parsing.completion import Completion
from distilwhy.core.prompt import Message, Prompt, PromptPrefix
from distilwhy.errors import RunError
from distilwhy.pipeline.annotate.records import AnnotatedRow, AnsweredCall
from distilwhy.pipeline.experiment import Experiment
from distilwhy.store.export import check_target, write_answers


def export(experiment: Experiment, rows: Iterable[AnnotatedRow], target: Path) -> int:
    """Write every answer to some rows to ``target``, one row each, and give their number.

    ``.jsonl``, ``.csv`` and ``.parquet`` are written as such, a name without a suffix as a dataset
    folder for ``datasets.load_from_disk``. Rows that were never asked about are left out.

    Raises:
        DataError: if the format is unknown, or something else stands there.
        RunError: if none of the rows was asked about, or the place cannot be written.
    """
    check_target(target)
    answers = list_answers(experiment, rows)
    first = next(answers, None)
    if first is None:
        raise RunError(
            f"{experiment.folder.path}: holds no answers to such rows; run 'annotate' first, or "
            "ask for other rows"
        )
    return write_answers(target, chain([first], answers))


def list_answers(experiment: Experiment, rows: Iterable[AnnotatedRow]) -> Iterator[ExportedAnswer]:
    """Each answer to some rows, explanations aside, with where it comes from."""
    prices, model = experiment.config.price_list, experiment.config.teacher.model
    for row in rows:
        for answer in row.answers:
            yield _export(row, answer, prices, model)


def _export(
    row: AnnotatedRow, answer: AnsweredCall, prices: Prices | None, model: str | None
) -> ExportedAnswer:
    example, read, said = row.example, answer.annotation, answer.entry.completion
    assert row.annotation is not None
    return ExportedAnswer(
        id=example.id,
        split=row.split,
        sample=answer.call.sample,
        input=example.text,
        options=example.options,
        gold=example.gold,
        outcome=read.outcome,
        problem=read.problem,
        label=read.label,
        rationale=read.rationale,
        votes=tuple(Vote(label, share) for label, share in row.annotation.votes),
        explanation=row.annotation.explanation,
        completion=said.text if said.error is None else None,
        thinking=said.thinking,
        finish_reason=said.finish_reason,
        model=said.model or model,
        prompt=hash_prompt(answer.call.prompt),
        answered_at=answer.entry.at,
        seconds=answer.entry.seconds,
        input_tokens=said.input_tokens,
        output_tokens=said.output_tokens,
        cached_tokens=said.cached_tokens,
        cost=_cost(said, prices, batch=answer.entry.batch),
        currency=prices.currency if prices else None,
    )


def _cost(said: Completion, prices: Prices | None, *, batch: bool) -> float | None:
    if prices is None or said.input_tokens is None:
        return None
    tokens = Usage(said.input_tokens, said.output_tokens or 0, said.cached_tokens, batch)
    return float(prices.of(tokens))


def hash_prompt(prompt: Prompt) -> str:
    """The SHA-256 of the messages as a JSON array of ``[role, content]``."""
    return sha256(_begin(prompt.prefix) + _turn(prompt.messages[-1]) + b"]").hexdigest()


@lru_cache(maxsize=8)
def _begin(prefix: PromptPrefix) -> bytes:
    """The array as far as all prompts with one prefix share it."""
    return b"[" + b"".join(_turn(message) + b", " for message in prefix.messages)


def _turn(message: Message) -> bytes:
    return json.dumps([message.role, message.content]).encode()
