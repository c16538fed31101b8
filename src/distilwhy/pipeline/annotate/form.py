"""The form of replies: JSON that follows a schema, where the endpoint can be held to one, or text.

With ``structured: auto`` the first call of a run folder asks with a schema. What comes of it is
kept in the folder. A folder that has answers already goes on in their form.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from distilwhy.core.parsing.completion import Completion
from distilwhy.core.task import Example
from distilwhy.errors import RunError
from distilwhy.pipeline.experiment import Experiment
from distilwhy.store.files import publish_json, read_json
from distilwhy.store.ledger import Charge, Entry, Ledger, read_ledger
from distilwhy.store.run_folder import RunFolder
from distilwhy.teachers.wires.reply import NO_SCHEMA

CHUNK = 500
# The beginning of a JSON object: at the start of a reply, or with a field of the schema.
_JSON = re.compile(r'\A\s*(?:```\w*\s*)?\{|\{\s*"(?:rationale|answer)"\s*:')

ListKeys = Callable[[Example, bool], Iterable[bytes]]


@dataclass(frozen=True)
class ReplyForm:
    """The form in which replies are asked for.

    Attributes:
        structured: JSON that follows a schema; else plain text.
        reason: Why, for the user; "" if the experiment file says so.
        is_known: Whether it is settled; False if a first call must show what the endpoint supports.
    """

    structured: bool = False
    reason: str = ""
    is_known: bool = True

    def __str__(self) -> str:
        form = "JSON that follows a schema" if self.structured else "plain text"
        return f"{form}; {self.reason}" if self.reason else form


UNKNOWN = ReplyForm(
    True, "plain text if the first call shows that the endpoint does not support it", is_known=False
)
UNTRIED = ReplyForm(False, "no call has shown yet whether the endpoint supports a schema")


def find_form(experiment: Experiment, list_keys: ListKeys) -> ReplyForm:
    """The form in which the replies of an experiment are asked for.

    Args:
        list_keys: The keys of a row's calls, in the one form or, if True, in the other.
    """
    config = experiment.config.teacher
    if not config.tries_schema:
        return ReplyForm(config.structured is True)
    return (
        _remembered(experiment.folder, config.endpoint)
        or _continued(experiment, list_keys)
        or UNKNOWN
    )


def remember_form(experiment: Experiment, form: ReplyForm) -> None:
    """Keep what an endpoint was found to support."""
    folder = experiment.folder
    if not folder.path.is_dir():  # it was moved meanwhile, and is not to be made again
        return
    found = {"structured": form.structured, "reason": form.reason}
    publish_json(folder.form, {**_read(folder), experiment.config.teacher.endpoint: found})


@dataclass
class FormTrial:
    """Records the first call, which asks for a schema, and judges the form of its reply.

    Attributes:
        write: Writes results to disk.
        plain_key: The key of the same call in plain text.
        form: What follows from the reply.
    """

    write: Callable[[list[Entry], list[Charge]], Awaitable[None]]
    plain_key: bytes
    form: ReplyForm = UNTRIED

    async def record(self, entries: list[Entry], charges: list[Charge]) -> None:
        """Write results. A call that failed is not written: it is made again in plain text."""
        for entry in entries:
            self.form = judge(entry.completion)
        answers = [entry for entry in entries if entry.completion.error is None]
        if not self.form.structured:
            answers = [replace(entry, key=self.plain_key) for entry in answers]
        await self.write(answers, charges)


def judge(completion: Completion) -> ReplyForm:
    """The form that follows from the completion of the first call, which asks for a schema.

    It is known only if the endpoint itself shows what it supports.
    """
    error = completion.error
    if completion.finish_reason == NO_SCHEMA:
        return ReplyForm(False, f"the endpoint does not support a JSON schema ({error})")
    if error is not None:
        problem = f"the first call, which asked for a JSON schema, failed ({error})"
        return ReplyForm(False, problem, is_known=False)
    if _JSON.search(completion.text):
        return ReplyForm(True, "the endpoint supports it")
    return ReplyForm(False, "the first reply did not follow the JSON schema that was asked for")


def _continued(experiment: Experiment, list_keys: ListKeys) -> ReplyForm | None:
    """The form in which the ledger has answers to the rows; None if it has none."""
    with read_ledger(experiment.folder.ledger) as ledger:
        rows = experiment.to_annotate() if ledger.has_calls else iter(())
        while chunk := list(islice(rows, CHUNK)):
            text, structured = (_count(ledger, chunk, list_keys, form) for form in (False, True))
            if text or structured:
                return ReplyForm(structured > text, "as the answers so far")
    return None


def _count(ledger: Ledger, rows: list[Example], list_keys: ListKeys, form: bool) -> int:
    keys = {key for example in rows for key in list_keys(example, form)}
    return len(ledger.answered(keys) | ledger.batched(keys))


def _remembered(folder: RunFolder, endpoint: str) -> ReplyForm | None:
    with suppress(KeyError, TypeError):
        found = _read(folder)[endpoint]
        return ReplyForm(bool(found["structured"]), str(found["reason"]))
    return None


def _read(folder: RunFolder) -> dict[str, Any]:
    """What is kept; empty if nothing is, or it cannot be read."""
    with suppress(RunError):
        return read_json(folder.form) or {}
    return {}
