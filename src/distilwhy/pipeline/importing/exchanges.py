"""Reads logs of requests to a model and its replies, in many common formats.

A line of a log is a JSON object. It holds the request and the reply side by side, or under names
such as ``request`` and ``response``, or ends its ``messages`` with the reply, as files for
fine-tuning do. Lines of a batch's output are joined with those of its input by ``custom_id``.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distilwhy.core.parsing.completion import Completion
from distilwhy.core.prompt import Message, Role
from distilwhy.core.rows.example_builder import value_at
from distilwhy.core.task import Row
from distilwhy.errors import DataError
from distilwhy.store.rows import read_rows
from distilwhy.teachers.wires.kinds import WIRES

_REQUEST = ("request", "request_body", "body", "params", "input", "inputs", "kwargs", "data")
_REPLY = (
    "response", "response_body", "body", "result", "message", "output", "outputs", "completion",
    "reply",
)  # fmt: skip
_IDS = ("custom_id", "id", "request_id", "call_id", "uuid")
_ROLES: Mapping[str, Role] = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "model": "assistant", "ai": "assistant",
}  # fmt: skip
_DEEPEST = 4


@dataclass(frozen=True)
class Exchange:
    """A request to a model with its replies.

    Attributes:
        id: As the log gives it; "" if it gives none.
        request: The turns of the chat. A plain prompt is one turn of the user.
        replies: More than one if several were asked for.
        model: The model, if the log names it; else "".
        line: The whole line of the log.
    """

    id: str
    request: tuple[Message, ...]
    replies: tuple[Completion, ...]
    model: str
    line: Row


@dataclass(frozen=True)
class Log:
    """A log, and how many of its lines could not be used."""

    exchanges: list[Exchange]
    without_reply: int


def read_log(source: Path) -> Log:
    """Read a log, or all JSONL and JSON files of a folder.

    The input of a batch may be a file beside that of its output.

    Raises:
        DataError: if a file cannot be read, or no line holds a request with its reply.
    """
    lines = [line for file in _list_files(source) for line in read_rows(file)]
    requests = {str(row["custom_id"]): row for row, _ in lines if _is_bare_request(row)}
    if source.is_file() and any(_is_bare_reply(row) for row, _ in lines):
        requests |= _read_batch_input(source)
    exchanges: list[Exchange] = []
    others = 0
    for row, _ in lines:
        if _is_bare_request(row):
            continue
        asked = requests.get(str(row.get("custom_id")), {})
        found = _read_exchange(row, asked)
        exchanges.extend(found)
        others += not found
    if not exchanges:
        raise DataError(_say_why(source, lines))
    return Log(exchanges, others)


def _list_files(source: Path) -> list[Path]:
    if not source.is_dir():
        return [source]
    found = sorted(file for file in source.iterdir() if file.suffix in (".jsonl", ".json"))
    if not found:
        raise DataError(f"{source}: holds no .jsonl or .json file; name the log")
    return found


def _say_why(source: Path, lines: Sequence[tuple[Row, str]]) -> str:
    if any(_is_bare_reply(row) for row, _ in lines):
        return (
            f"{source}: holds replies without their requests; put the input file of the batch "
            "beside it"
        )
    names = ", ".join(sorted(map(str, lines[0][0]))) if lines else ""
    found = f"its first line has the fields {names}" if names else "it is empty"
    return (
        f"{source}: no line holds a request with its reply ({found}); a line needs 'messages' that "
        "end with the assistant's, or 'messages' and 'response', or 'request' and 'response'"
    )


def _is_bare_request(row: Row) -> bool:
    is_batch = "custom_id" in row and bool(_read_request(row))
    return is_batch and not _read_replies(row) and "response" not in row


def _is_bare_reply(row: Row) -> bool:
    return "custom_id" in row and not _read_request(row) and bool(_read_replies(row))


def _read_batch_input(source: Path) -> dict[str, Row]:
    """The requests in the files beside a batch's output, by their ``custom_id``."""
    found: dict[str, Row] = {}
    for file in sorted(source.parent.glob("*.jsonl")):
        with suppress(DataError):  # it may be any file
            rows = (row for row, _ in read_rows(file) if file != source)
            found |= {str(row["custom_id"]): row for row in rows if _is_bare_request(row)}
    return found


def _read_exchange(row: Row, asked: Row) -> list[Exchange]:
    """The exchange of a line, or none; ``asked`` is its request if that stands elsewhere."""
    request, replies = _read_request(row) or _read_request(asked), _read_replies(row)
    if request and not replies and request[-1].role == "assistant":
        *request, last = request
        replies = [Completion(last.content)]
    if not request or not replies:
        return []
    model = replies[0].model or _read_model(row) or _read_model(asked)
    return [Exchange(_read_id(row), tuple(request), tuple(replies), model, row)]


def _read_id(row: Row) -> str:
    found = (value_at(row, path) for path in (*_IDS, "request.id", "response.id"))
    return next((str(value) for value in found if isinstance(value, str | int) and value), "")


def _read_model(row: Row) -> str:
    found = (place.get("model") for place in _unfold(row, _REQUEST))
    return next((name for name in found if name and isinstance(name, str)), "")


def _read_request(row: Row) -> list[Message]:
    """The turns of a request; none if there are none."""
    return next((turns for place in _unfold(row, _REQUEST) if (turns := _read_turns(place))), [])


def _read_turns(body: Mapping[str, Any]) -> list[Message]:
    """OpenAI's and Anthropic's messages, OpenAI's input, Gemini's contents, or a prompt."""
    given = next(
        (
            body[name]
            for name in ("messages", "contents", "conversations", "input", "prompt")
            if isinstance(body.get(name), str | list)
        ),
        None,
    )
    if given is None:
        return []
    turns = [{"role": "user", "content": given}] if isinstance(given, str) else given
    messages = [message for turn in turns if (message := _read_turn(turn))]
    if len(messages) < len(turns):
        return []
    instructed = (body.get(name) for name in ("system", "instructions", "systemInstruction"))
    system = [Message("system", text) for part in instructed if (text := _read_text(part))]
    return [*system, *messages]


def _read_turn(turn: Any) -> Message | None:
    if not isinstance(turn, dict):
        return None
    role = _ROLES.get(str(turn.get("role") or turn.get("from")))
    text = _read_text(next((turn[n] for n in ("content", "parts", "value") if n in turn), None))
    return Message(role, text) if role and text is not None else None


def _read_text(content: Any) -> str | None:
    """The text of a turn, which may come in parts."""
    if isinstance(content, dict):
        return _read_text(content.get("text", content.get("parts")))
    if isinstance(content, list):
        parts = [text for part in content if (text := _read_text(part)) is not None]
        return "\n".join(parts) if parts else None
    return content if isinstance(content, str) else None


def _read_replies(row: Row) -> list[Completion]:
    """The replies of a line; none if there are none, or the request failed."""
    for place in _unfold(row, _REPLY):
        if _has_failed(place):
            return []
        for read in _READERS:
            with suppress(ValueError, KeyError, IndexError, TypeError, AttributeError):
                if found := [said for said in read(place) if said and said.text.strip()]:
                    return found
    return []


def _has_failed(place: Mapping[str, Any]) -> bool:
    status = place.get("status_code", place.get("status"))
    return bool(place.get("error")) or (isinstance(status, int) and status >= 400)


def _read_choices(reply: Any) -> Iterable[Completion | None]:
    """Every choice of an OpenAI-compatible endpoint, of a chat or of a plain completion."""
    for choice in reply["choices"]:
        wire = WIRES["chat" if "message" in choice else "completion"]
        found = wire.read({**reply, "choices": [choice]})
        if found and not found.text and (calls := choice["message"].get("tool_calls")):
            # A call that the model was made to answer with: its arguments are the answer.
            found = replace(found, text=str(calls[0]["function"]["arguments"]))
        yield found


def _read_chunks(reply: Any) -> Iterable[Completion | None]:
    """The chunks of a streamed reply, in a list under the name of the reply."""
    [chunks] = [reply[name] for name in _REPLY if isinstance(reply.get(name), list)]
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    text = "".join(choice["delta"].get("content") or "" for choice in choices)
    ended = [str(c["finish_reason"]) for c in choices if c.get("finish_reason")]
    yield Completion(text, ended[-1] if ended else "", model=str(chunks[0].get("model") or ""))


def _read_output(reply: Any) -> Iterable[Completion | None]:
    """A reply of OpenAI's Responses API."""
    items = [item for item in reply["output"] if item.get("type") == "message"]
    text = _read_text([item["content"] for item in items])
    yield Completion(text, model=str(reply.get("model") or "")) if text else None


def _read_candidates(reply: Any) -> Iterable[Completion | None]:
    for candidate in reply["candidates"]:
        yield WIRES["gemini"].read({**reply, "candidates": [candidate]})


def _read_anthropic(reply: Any) -> Iterable[Completion | None]:
    yield WIRES["anthropic"].read(reply) if isinstance(reply["content"], list) else None


def _read_plain(reply: Any) -> Iterable[Completion | None]:
    """A bare message of the assistant, or a text under the name of a reply."""
    if reply.get("role", "assistant") == "assistant" and "content" in reply:
        yield Completion(_read_text(reply["content"]) or "")
    for name in ("response", "completion", "output", "reply", "generated_text", "output_text"):
        if isinstance(text := reply.get(name), str):
            yield Completion(text, model=str(reply.get("model") or ""))
            return


_READERS: tuple[Callable[[Any], Iterable[Completion | None]], ...] = (
    _read_choices,
    _read_candidates,
    _read_output,
    _read_anthropic,
    _read_chunks,
    _read_plain,
)


def _unfold(value: Any, names: Sequence[str], depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """An object, and those within it under some names. Bodies may be JSON in a text."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        with suppress(ValueError):
            value = json.loads(value)
    if not isinstance(value, dict) or depth == _DEEPEST:
        return
    inner = [place for name in names for place in _unfold(value.get(name), names, depth + 1)]
    # A reply within is a better one than its text here.
    yield from inner if names is _REPLY else ()
    yield value
    yield from inner if names is _REQUEST else ()
