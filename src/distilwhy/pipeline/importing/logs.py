"""Turns a log of requests and replies into an experiment with recorded completions."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distilwhy.core.exemplars import fold_text
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.parsing.completion import Completion
from distilwhy.core.rows.example_builder import value_at
from distilwhy.core.task import Row
from distilwhy.core.wording import count, suggest
from distilwhy.errors import DataError
from distilwhy.pipeline.importing.answers import MOST_LABELS, Answers, ParsedReply, find_answers
from distilwhy.pipeline.importing.exchanges import Exchange, read_log
from distilwhy.pipeline.importing.mask import Masker
from distilwhy.pipeline.importing.new_experiment import (
    GOLD,
    STUDENT_HINT,
    TEST,
    Imported,
    choose_test,
    draft_experiment,
    split_files,
    write_experiment,
)
from distilwhy.pipeline.importing.prompt_parts import Choose, shorten, split_prompts
from distilwhy.pipeline.importing.scaffold import require_new

COMPLETIONS = "completions.jsonl"
_AGREEMENT = """\
The log has no gold labels. The label of a test row is what the teacher answered, so scores say how
often a student agrees with it; put your own labels there to measure accuracy.
"""


@dataclass(frozen=True)
class _Row:
    """A row with its replies; ``gold`` is None if the log has no gold label for it."""

    id: str
    fields: Mapping[str, str]
    replies: Sequence[Completion]
    gold: str | None

    @property
    def text(self) -> str:
        return "\n".join(self.fields.values())


@dataclass(frozen=True)
class _Draft:
    """The content of an experiment's files; ``answers`` has ``samples`` of them for each row."""

    rows: Sequence[_Row]
    answers: Answers
    samples: int
    instruction: str
    has_gold: bool

    @property
    def labels(self) -> list[str | None]:
        """The label of each row: gold, or the teacher's first answer if the log has no gold."""
        if not self.has_gold:
            return [parsed.label for parsed in self.answers.parsed[:: self.samples]]
        canonical = self.answers.answer.canonical
        return [None if row.gold is None else canonical(row.gold) for row in self.rows]

    def files(self, is_test: Sequence[bool]) -> dict[str, list[Row]]:
        """The lines of each file; one without lines is not written."""
        rows: list[Row] = []
        for row, label, tested in zip(self.rows, self.labels, is_test, strict=True):
            shown = {GOLD: label} if label is not None and (self.has_gold or tested) else {}
            rows.append({"id": row.id, **row.fields, **shown})
        return split_files(rows, is_test) | {COMPLETIONS: list(self._completions())}

    def _completions(self) -> Iterator[Row]:
        replies = ((row.id, reply) for row in self.rows for reply in row.replies[: self.samples])
        for (name, reply), parsed in zip(replies, self.answers.parsed, strict=True):
            yield {"id": name, **_record(reply, parsed, verbatim=self.answers.verbatim)}

    def experiment(self, *, has_test: bool) -> dict[str, Any]:
        """The experiment file."""
        # Without gold, the teacher's accuracy on test would be its agreement with itself.
        annotate = ["train", "validation", *(["test"] if self.has_gold and has_test else [])]
        samples = {"samples": self.samples} if self.samples > 1 else {}
        files = {"kind": "recorded", "completions": [COMPLETIONS], "stop": []}
        return draft_experiment(
            list(self.rows[0].fields),
            self.answers.answer,
            instruction=self.instruction,
            has_test=has_test,
            teacher={**files, **samples, "annotate": annotate},
            methods=[
                *(["finetune"] if self.has_gold else []),
                "label-distill",
                *(["step-by-step"] if self.answers.explains else []),
            ],
        )


def import_log(
    source: Path,
    directory: Path,
    *,
    row: str | None = None,
    gold: str | None = None,
    answer: str | None = None,
    mask: bool = False,
    choose: Choose = None,
) -> Imported:
    """Write an experiment with the rows and replies of a log, ready to run.

    Args:
        source: A log, or a folder of them; see ``read_log``.
        directory: A new or empty folder.
        row: Where the row stands in a prompt; see ``split_prompts``. None to find it.
        gold: The field of a line with its gold label; dots reach into objects.
        answer: The kind of answer, or the labels; see ``find_answers``. None to find out.
        mask: Replace e-mail addresses, phone and card numbers by placeholders first.
        choose: Asks the user if the log alone does not decide.

    Raises:
        ConfigError: if ``directory`` has something in it, an option is not valid, or one is needed.
        DataError: if the log cannot be read, or holds too few rows.
    """
    require_new(directory)
    log = read_log(source)
    masker = Masker() if mask else None
    exchanges = [_mask(exchange, masker) for exchange in log.exchanges] if masker else log.exchanges
    parts = split_prompts([exchange.request for exchange in exchanges], row, choose)
    golds = _read_golds(exchanges, gold, masker)
    rows = list(_list_rows(exchanges, parts.rows, golds, Path(source).stem))
    unique = _drop_repeats(rows)
    if len(unique) < 2:
        raise DataError(f"{source}: holds fewer than two different rows; give it more")
    samples = min(len(one.replies) for one in unique)
    replies = [reply for one in unique for reply in one.replies[:samples]]
    answers = _add_gold_labels(find_answers(replies, answer), unique)
    draft = _Draft(unique, answers, samples, parts.instruction, has_gold=gold is not None)
    split = choose_test([one.text for one in unique], [label is not None for label in draft.labels])
    files = draft.files(split.is_test)
    models = _name_models(exchanges)
    heading = (
        f"Written by `distilwhy import` from {source.name}.\nTeacher: {models}.\n"
        f"{'' if gold else _AGREEMENT}{STUDENT_HINT}"
    )
    experiment = draft.experiment(has_test=TEST in files)
    file = write_experiment(directory, heading, experiment, files)
    left_out = {
        "lines without a request and a reply": log.without_reply,
        "requests with a different prompt": len(exchanges) - len(rows),
        "requests that repeat an earlier one": len(rows) - len(unique),
    }
    found = {
        "read": f"{count(len(exchanges))} requests with their replies",
        "prompt": f"{parts.found}, such as {shorten(unique[0].text)!r}",
        "answers": answers.found + ("" if answers.explains else "; without reasons"),
        "teacher": models,
        "masked": _describe_masked(masker),
        "near-duplicates": split.near_duplicates,
    }
    return Imported.of(file, files, left_out, found)


def _describe_masked(masker: Masker | None) -> str:
    if masker is None:
        return ""
    return ", ".join(f"{n:,} {name}" for name, n in masker.counts.items()) or "none"


def _mask(exchange: Exchange, masker: Masker) -> Exchange:
    request = tuple(replace(m, content=masker.mask(m.content)) for m in exchange.request)
    replies = tuple(replace(r, text=masker.mask(r.text)) for r in exchange.replies)
    identity = exchange.id if masker.mask(exchange.id) == exchange.id else ""
    return replace(exchange, id=identity, request=request, replies=replies)


def _read_golds(
    exchanges: Sequence[Exchange], gold: str | None, masker: Masker | None
) -> list[str | None]:
    if gold is None:
        return [None] * len(exchanges)
    found = [value_at(exchange.line, gold) for exchange in exchanges]
    if all(value is None for value in found):
        names = [str(name) for name in exchanges[0].line]
        near = suggest(gold, names) or f"; the fields are {', '.join(names)}"
        raise DataError(f"--gold {gold!r}: no line has this field{near}")
    texts = [None if value is None or value == "" else str(value) for value in found]
    return [masker.mask(text) if masker and text else text for text in texts]


def _list_rows(
    exchanges: Sequence[Exchange],
    rows: Sequence[dict[str, str] | None],
    golds: Sequence[str | None],
    name: str,
) -> Iterator[_Row]:
    """The rows, each with an id of its own."""
    taken = set[str]()
    for number, (exchange, fields, gold) in enumerate(zip(exchanges, rows, golds, strict=True), 1):
        if fields and any(fields.values()):
            numbered = f"{name}-{number}"
            identity = exchange.id if exchange.id and exchange.id not in taken else numbered
            taken.add(identity)
            yield _Row(identity, fields, exchange.replies, gold)


def _drop_repeats(rows: Sequence[_Row]) -> list[_Row]:
    first: dict[str, _Row] = {}
    for row in rows:
        first.setdefault(fold_text(row.text), row)
    return list(first.values())


def _add_gold_labels(answers: Answers, rows: Sequence[_Row]) -> Answers:
    """The labels of a choice with those that only gold labels have, unless these are too many."""
    space = answers.answer
    golds = dict.fromkeys(row.gold for row in rows if row.gold is not None)
    more = tuple(gold for gold in golds if space.canonical(gold) is None)
    if space.kind != "choice" or not more or len(space.labels) + len(more) > MOST_LABELS:
        return answers
    return replace(answers, answer=Answer("choice", (*space.labels, *more)))


def _name_models(exchanges: Sequence[Exchange]) -> str:
    models = Counter(exchange.model for exchange in exchanges if exchange.model)
    named = ", ".join(f"{name} ({number:,})" for name, number in models.most_common())
    return f"{named}, as the log says" if named else "the log does not name it"


def _record(reply: Completion, parsed: ParsedReply, *, verbatim: bool) -> dict[str, object]:
    """A reply as it is, or as a rationale and a label if the parser would not read it so."""
    if not verbatim and parsed.label is not None:
        return {"rationale": parsed.rationale, "label": parsed.label}
    ended = {"finish_reason": reply.finish_reason} if reply.finish_reason else {}
    return {"completion": reply.text, **ended}
