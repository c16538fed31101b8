"""OpenAI's chat API in front of a student, so that it drops in where the LLM was called."""

import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.config import JsonDict

from distilwhy.core.parsing.answer import letter
from distilwhy.core.parsing.json_reply import list_answer_keys
from distilwhy.core.prompt import render_reply, take_question
from distilwhy.core.stats.comparisons import Prediction
from distilwhy.core.task import Example, Exemplar, Task
from distilwhy.errors import DataError
from distilwhy.serving.rows import FILLED_TEXT, require_characters

# The properties of an object, each with its own schema.
Schema = Mapping[str, Any]


class _Loose(BaseModel):
    model_config = ConfigDict(extra="allow")


def _require_text(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty; it must hold the row")
    return value


def _require_number(value: object) -> object:
    # JSON Schema counts 1.0 as an integer, so strictness would be too strict.
    if isinstance(value, str | bool):
        raise ValueError("must be a number")
    return value


Filled = Annotated[str, AfterValidator(_require_text), WithJsonSchema(FILLED_TEXT)]


class TextPart(_Loose):
    """A part of a turn. The student reads text alone, so a picture is an error."""

    type: Literal["text"]
    text: Filled


class UserMessage(_Loose):
    """A turn of the user: a text, or a list of parts with texts. The last one is the row."""

    role: Literal["user"]
    content: Filled | Annotated[list[TextPart], Field(min_length=1)]

    @property
    def text(self) -> str:
        """The content as one text."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content)


class OtherMessage(_Loose):
    """A turn of anybody else, which the student does not read."""

    role: Literal["system", "developer", "assistant", "tool"]


class JsonSchema(_Loose):
    """The schema of an object with properties."""

    properties: dict[str, Any] = Field(min_length=1)


class SchemaHolder(_Loose):
    """A named schema."""

    json_schema: JsonSchema = Field(alias="schema")


class SchemaFormat(_Loose):
    """A reply in the form of a JSON schema."""

    type: Literal["json_schema"]
    json_schema: SchemaHolder


class PlainFormat(_Loose):
    """A reply as text, or as any JSON object."""

    type: Literal["text", "json_object"]


ChatMessage = Annotated[UserMessage | OtherMessage, Field(discriminator="role")]
ReplyFormat = Annotated[SchemaFormat | PlainFormat, Field(discriminator="type")]
_ASKS: JsonDict = {"contains": {"properties": {"role": {"const": "user"}}, "required": ["role"]}}


class ChatRequest(_Loose):
    """A chat completion request. Sampling parameters are accepted and change nothing."""

    model: str = ""
    messages: list[ChatMessage] = Field(min_length=1, json_schema_extra=_ASKS)
    stream: bool = Field(default=False, strict=True)
    stream_options: dict[str, Any] | None = None
    response_format: ReplyFormat | None = None
    n: Annotated[int, BeforeValidator(_require_number)] = Field(default=1, ge=1, le=16)


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
    """The row within a chat: the text of the user's last turn, without instruction and exemplars.

    A turn may hold the whole prompt, as ``Q:`` and ``A:`` blocks or behind the instruction.

    Raises:
        DataError: if there is none, it holds no row, or it lacks the options that the student
            chooses among.
    """
    turns = [turn for turn in request.messages if isinstance(turn, UserMessage)]
    if not turns:
        raise DataError("messages: none has the role 'user'; the last of these must hold the row")
    text = take_question(turns[-1].text, task.instruction)
    if not text:
        raise DataError("messages: the user's last holds nothing but a prompt; add the row")
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
    return schema is None or len(schema) > 1


def read_schema(request: ChatRequest) -> Schema | None:
    """The JSON schema of the reply; None for plain text."""
    form = request.response_format
    if isinstance(form, SchemaFormat):
        return form.json_schema.json_schema.properties
    if form is None or form.type == "text":
        return None
    return {"rationale": {"type": "string"}, "answer": {"type": "string"}}


def write_reply(found: Prediction, example: Example, task: Task, schema: Schema | None) -> str:
    """The reply: as the schema asks, or the rationale and the task's cue with the label.

    Raises:
        DataError: if the schema has a property that the student cannot fill.
    """
    label, rationale = found.label or found.text, found.rationale or ""
    if schema is None:
        answered = Exemplar(replace(example, gold=label), rationale)
        return render_reply(answered, task.cue).strip()
    place = _label_property(schema, label)
    filled: dict[str, object] = {}
    for name, form in schema.items():
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
        if isinstance(listed := form.get("enum"), list) and label in listed:
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
