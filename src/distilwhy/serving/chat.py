"""OpenAI's chat API in front of a student, so that it drops in where the LLM was called."""

import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from distilwhy.core.parsing.answer import letter
from distilwhy.core.parsing.json_reply import list_answer_keys
from distilwhy.core.prompt import render_reply, take_question
from distilwhy.core.stats.comparisons import Prediction
from distilwhy.core.task import Example, Exemplar, Task
from distilwhy.errors import DataError
from distilwhy.serving.rows import require_characters

Schema = Mapping[str, Any]


class _Loose(BaseModel):
    model_config = ConfigDict(extra="allow")


class ChatMessage(_Loose):
    """One turn; its content is a text, or a list of parts with texts."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = None

    @property
    def text(self) -> str:
        """The content as one text."""
        if isinstance(self.content, list):
            return "".join(str(part.get("text", "")) for part in self.content)
        return self.content or ""


class ChatRequest(_Loose):
    """A chat completion request. Sampling parameters are accepted and change nothing."""

    model: str = ""
    messages: list[ChatMessage] = Field(min_length=1)
    stream: bool = False
    stream_options: dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    n: int = Field(default=1, ge=1, le=16)


@dataclass(frozen=True)
class ChatReply:
    """What the student says, and why it may not have answered.

    Attributes:
        content: None if the row is referred.
        refusal: None unless it is.
    """

    content: str | None
    refusal: str | None
    model: str
    input_tokens: int
    output_tokens: int
    copies: int = 1


def read_example(request: ChatRequest, task: Task) -> Example:
    """The row within a chat: the text of its last turn, without instruction and exemplars.

    A turn may hold the whole prompt, as ``Q:`` and ``A:`` blocks or behind the instruction.

    Raises:
        DataError: if the last turn is not the user's, is empty or no text, or lacks the options
            that the student chooses among.
    """
    last = request.messages[-1]
    if last.role != "user":
        raise DataError(f"messages: the last has the role {last.role!r}; it must be the user's")
    text = take_question(last.text, task.instruction)
    if not text:
        raise DataError("messages: the last is empty; it must hold the row")
    return require_characters(Example("row", text, _read_options(text, task)), "messages")


def _read_options(text: str, task: Task) -> tuple[str, ...]:
    """The row's own options, from its lines ``(a) …``, ``(b) …`` and so on."""
    if task.answer.kind != "choice" or task.answer.labels:
        return ()
    options: list[str] = []
    for line in text.splitlines():
        head = f"({letter(len(options))}) "
        if line.strip().startswith(head):
            options.append(line.strip().removeprefix(head).strip())
    if len(options) < 2:
        raise DataError(
            "messages: the last lists no options; write them one a line, '(a) park', "
            "or ask /predict"
        )
    return tuple(options)


def wants_reasons(schema: Schema | None) -> bool:
    """Whether the reply needs a rationale: as text it does, and where its schema has room."""
    return schema is None or len(_names(schema)) > 1


def read_schema(request: ChatRequest) -> Schema | None:
    """The JSON schema of the reply; None for plain text.

    Raises:
        DataError: if it is not the schema of an object with properties.
    """
    form = request.response_format or {}
    kind = form.get("type", "text")
    if kind == "text":
        return None
    if kind == "json_object":
        return {"properties": {"rationale": {"type": "string"}, "answer": {"type": "string"}}}
    holder = form.get("json_schema")
    schema = holder.get("schema") if isinstance(holder, dict) else None
    if kind != "json_schema" or not isinstance(schema, dict) or not _names(schema):
        raise DataError(
            "response_format: must be text, json_object, or a json_schema of an object with "
            "properties"
        )
    return schema


def _names(schema: Schema) -> list[str]:
    properties = schema.get("properties")
    return list(properties) if isinstance(properties, dict) else []


def write_reply(found: Prediction, example: Example, task: Task, schema: Schema | None) -> str:
    """The reply: as the schema asks, or the rationale and the task's cue with the label.

    Raises:
        DataError: if the schema has a property that the student cannot fill.
    """
    label, rationale = found.label or found.text, found.rationale or ""
    if schema is None:
        answered = Exemplar(replace(example, gold=label), rationale)
        return render_reply(answered, task.cue).strip()
    properties: Mapping[str, Any] = schema["properties"]
    place = _label_property(properties, label)
    filled: dict[str, object] = {}
    for name, form in properties.items():
        kind = form.get("type") if isinstance(form, dict) else None
        if name == place:
            filled[name] = _as_kind(label, kind)
        elif kind == "string" or kind is None:
            filled[name] = rationale
        elif kind == "number":
            filled[name] = found.confidence or 0.0
        else:
            raise DataError(
                f"response_format: the student cannot fill {name!r} of type {kind!r}; it gives a "
                "label, a rationale and a confidence"
            )
    return json.dumps(filled, ensure_ascii=False)


def _label_property(properties: Mapping[str, Any], label: str) -> str:
    """The property that holds the label: whose enum lists it, or which is named so.

    Otherwise it is the last that has room for it.
    """
    forms = {name: form if isinstance(form, dict) else {} for name, form in properties.items()}
    for name, form in forms.items():
        if label in (form.get("enum") or ()):
            return name
    if named := list_answer_keys(forms):
        return named[0]
    fitting = [name for name, form in forms.items() if form.get("type", "string") == "string"]
    return fitting[-1] if fitting else list(forms)[-1]


def _as_kind(label: str, kind: object) -> object:
    if kind not in ("number", "integer"):
        return label
    try:
        return int(label) if kind == "integer" else float(label)
    except ValueError:
        raise DataError(
            f"response_format: the label {label!r} is no {kind}; let its type be string"
        ) from None


def render_completion(reply: ChatReply) -> dict[str, Any]:
    """The body of a reply that is not streamed."""
    message = {"role": "assistant", "content": reply.content, "refusal": reply.refusal}
    choices = [
        {"index": i, "message": message, "finish_reason": "stop", "logprobs": None}
        for i in range(reply.copies)
    ]
    head = _head(reply.model, "chat.completion")
    return {**head, "choices": choices, "usage": _usage(reply)}


def render_stream(reply: ChatReply, *, with_usage: bool) -> Iterator[str]:
    """The server-sent events of a streamed reply, a few characters each."""
    head = _head(reply.model, "chat.completion.chunk")
    for i in range(reply.copies):
        yield _event(head, i, {"role": "assistant", "content": ""})
        if reply.refusal is not None:
            yield _event(head, i, {"refusal": reply.refusal})
        for piece in _pieces(reply.content or ""):
            yield _event(head, i, {"content": piece})
        yield _event(head, i, {}, "stop")
    if with_usage:
        yield f"data: {json.dumps({**head, 'choices': [], 'usage': _usage(reply)})}\n\n"
    yield "data: [DONE]\n\n"


def _pieces(text: str, size: int = 16) -> Sequence[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def _event(head: Mapping[str, Any], index: int, delta: object, end: str | None = None) -> str:
    choice = {"index": index, "delta": delta, "finish_reason": end, "logprobs": None}
    return f"data: {json.dumps({**head, 'choices': [choice]})}\n\n"


def _head(model: str, kind: str) -> dict[str, Any]:
    key = f"chatcmpl-{uuid.uuid4().hex}"
    return {"id": key, "object": kind, "created": int(time.time()), "model": model}


def _usage(reply: ChatReply) -> dict[str, int]:
    return {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
    }
