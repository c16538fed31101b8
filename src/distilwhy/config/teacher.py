"""The teacher section of an experiment file."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from distilwhy.config.address import HOMES, check_address, has_secret_value
from distilwhy.config.strategy import StrategyConfig
from distilwhy.config.strict import NAME_IT, EachOnce, Strict
from distilwhy.core.estimate import Pace

TEACHERS = ("chat", "completion", "anthropic", "gemini", "local", "recorded")
_SET_ELSEWHERE = {
    "model": "model",
    "temperature": "temperature",
    "max_tokens": "max_tokens",
    "maxOutputTokens": "max_tokens",
    "max_completion_tokens": "max_tokens, and max_tokens_name",
    "stop": "stop",
    "stop_sequences": "stop",
    "stopSequences": "stop",
    "n": "samples",
    "best_of": "samples",
    "candidateCount": "samples",
    "max_output_tokens": "max_tokens",
}
_GREEDY = (("topk", 1), ("topp", 0), ("dosample", False))
# Streams are not supported, and Gemini would merge this name with the request's own.
_REFUSED = {
    "stream": "leave it out: replies are read whole",
    "generation_config": "write it 'generationConfig'",
}

_KEYS = ("api_key", "apikey", "x_api_key", "x_goog_api_key", "authorization", "access_token")
# In the names of parameters that set the form of a reply.
_FORMS = ("format", "schema", "response", "tool", "function", "grammar", "guided")

SplitChoice = Literal["train", "validation", "test"]


class GateConfig(Strict):
    """What the first answers must satisfy before the rest are asked for."""

    rows: int = Field(default=16, ge=0)
    readable: float = Field(default=0.7, ge=0, le=1)
    accuracy: float = Field(default=0.2, ge=0, le=1)


def _needless(explain_wrong: bool, info: ValidationInfo) -> bool:
    """Refuse to explain wrong answers where every gold label is shown anyway."""
    if explain_wrong and info.data.get("strategy") == "explain-label":
        raise ValueError("strategy 'explain-label' already shows every gold label; leave it out")
    return explain_wrong


def _differing(samples: int, info: ValidationInfo) -> int:
    """Refuse several samples that would all be the same."""
    if samples > 1 and info.data.get("temperature") == 0:
        raise ValueError(
            "at temperature 0 all samples are the same; set teacher.temperature, for example to 0.7"
        )
    extra = info.data.get("extra") or {}
    within = extra.get("generationConfig")
    fixed = {**extra, **(within if isinstance(within, dict) else {})}.items()
    if samples > 1 and (name := next((n for n, value in fixed if _fixes(n, value)), None)):
        raise ValueError(
            f"with {name!r} in teacher.extra all samples are the same; remove it there"
        )
    return samples


def _fixes(name: str, value: object) -> bool:
    """Whether a parameter makes all samples of a request the same."""
    name = name.lower().replace("_", "")
    return (name in ("seed", "randomseed") and value is not None) or (name, value) in _GREEDY


Samples = Annotated[int, Field(gt=0), AfterValidator(_differing)]
ExplainWrong = Annotated[bool, AfterValidator(_needless)]


class HttpTeacherConfig(StrategyConfig):
    """An endpoint: OpenAI-compatible (chat or plain completion), Anthropic's or Gemini's."""

    bills: ClassVar[bool] = True

    kind: Literal["chat", "completion", "anthropic", "gemini"]
    base_url: str
    replicas: Annotated[list[str], EachOnce] = []
    model: str
    api_key_env: str | None = None
    temperature: float | None = Field(default=0.0, ge=0)
    max_tokens: int | None = Field(default=512, gt=0)
    max_tokens_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    stop: list[str] = ["\n\nQ:"]
    structured: Literal["auto", True, False] = "auto"
    extra: dict[str, Any] = {}
    tokenizer: str | None = None
    concurrency: int = Field(default=8, gt=0)
    timeout: float = Field(default=120.0, gt=0)
    retries: int = Field(default=5, ge=0)
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    budget: float | None = Field(default=None, gt=0)
    gate: GateConfig = GateConfig()
    batch: bool = False
    annotate: Annotated[list[SplitChoice], EachOnce] = ["train", "validation", "test"]
    samples: Samples = 1
    explain_wrong: ExplainWrong = False

    @property
    def tries_schema(self) -> bool:
        if self.structured != "auto" or self.kind == "completion":
            return False
        return not any(mark in name.lower() for name in _names(self.extra) for mark in _FORMS)

    @property
    def endpoint(self) -> str:
        return f"{self.kind} {self.model} {self.base_url}"

    @property
    def pace(self) -> Pace:
        return Pace(self.concurrency, self.requests_per_minute, self.tokens_per_minute)

    @model_validator(mode="before")
    @classmethod
    def _at_home(cls, values: Any) -> Any:
        address = HOMES.get(str(values.get("kind"))) if isinstance(values, dict) else None
        return {"base_url": address, **values} if address else values

    @field_validator("base_url")
    @classmethod
    def _http(cls, value: str, info: ValidationInfo) -> str:
        return check_address(value, info.data.get("kind"))

    @field_validator("replicas")
    @classmethod
    def _same(cls, value: list[str], info: ValidationInfo) -> list[str]:
        addresses = [check_address(address, info.data.get("kind")) for address in value]
        if info.data.get("base_url") in addresses:
            raise ValueError("repeats base_url; list only the other addresses")
        return addresses

    @field_validator("api_key_env")
    @classmethod
    def _name(cls, value: str | None) -> str | None:
        # Capitals only: otherwise many keys, such as hf_… and gsk_…, would pass as names.
        if value is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", value):
            raise ValueError(
                "must be the NAME of an environment variable, in capitals, never the key itself"
            )
        return value

    @field_validator("max_tokens")
    @classmethod
    def _needed(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is None and info.data.get("kind") == "anthropic":
            raise ValueError("kind 'anthropic' requires it; set it, for example to 1024")
        return value

    @field_validator("max_tokens_name")
    @classmethod
    def _named(cls, value: str, info: ValidationInfo) -> str:
        if value != "max_tokens" and info.data.get("kind") != "chat":
            raise ValueError("only kind 'chat' takes it; leave it out")
        return value

    @field_validator("structured")
    @classmethod
    def _offered(cls, value: object, info: ValidationInfo) -> object:
        if value is True and info.data.get("kind") == "completion":
            raise ValueError(
                "kind 'completion' does not support it; use kind 'chat', or leave it out"
            )
        return value

    @field_validator("batch")
    @classmethod
    def _by_file(cls, value: bool, info: ValidationInfo) -> bool:
        kind = info.data.get("kind")
        if value and kind not in ("chat", "completion"):
            raise ValueError(f"is not supported for kind {kind!r}; leave it out")
        if value and info.data.get("replicas"):
            raise ValueError("batches use base_url alone; leave out replicas")
        if value and info.data.get("max_tokens", 0) is None:
            raise ValueError("needs teacher.max_tokens to bound the cost of a batch; set it")
        return value

    @field_validator("extra")
    @classmethod
    def _not_twice(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name, inner in _walk(value):
            if name.lower().replace("-", "_") in _KEYS:
                raise ValueError(f"must not contain {name!r}; {NAME_IT}")
            if isinstance(inner, str) and has_secret_value(inner):
                raise ValueError(f"must not contain a key, as in {name!r}; {NAME_IT}")
        for name in _names(value):
            if name in _SET_ELSEWHERE:
                raise ValueError(f"must not contain {name!r}; set teacher.{_SET_ELSEWHERE[name]}")
            if name in _REFUSED:
                raise ValueError(f"must not contain {name!r}; {_REFUSED[name]}")
        return value


def _walk(value: dict[str, Any] | list[Any]) -> Iterator[tuple[str, object]]:
    """All names in a value, however deep, with what they name."""
    if isinstance(value, dict):
        yield from ((str(name), inner) for name, inner in value.items())
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            yield from _walk(inner)


def _names(extra: dict[str, Any]) -> list[str]:
    """The parameters in ``extra``, those of Gemini's ``generationConfig`` included."""
    within = extra.get("generationConfig")
    return [*extra, *(within if isinstance(within, dict) else ())]


class LocalTeacherConfig(StrategyConfig):
    """A causal language model of transformers, run in this process: a local folder, or the name
    of a model on the hub."""

    structured: ClassVar[bool] = False
    budget: ClassVar[None] = None

    batch: ClassVar[bool] = False
    api_key_env: ClassVar[None] = None

    kind: Literal["local"]
    model: str
    temperature: float = Field(default=0.0, ge=0)
    max_tokens: int = Field(default=512, gt=0)
    stop: list[str] = ["\n\nQ:"]
    batch_size: int = Field(default=16, gt=0)
    gate: GateConfig = GateConfig()
    annotate: Annotated[list[SplitChoice], EachOnce] = ["train", "validation", "test"]
    samples: Samples = 1
    explain_wrong: ExplainWrong = False

    @property
    def tokenizer(self) -> str:
        return self.model

    @model_validator(mode="before")
    @classmethod
    def _free(cls, values: Any) -> Any:
        if isinstance(values, dict) and "budget" in values:
            raise ValueError("kind 'local' costs nothing, so it takes no budget; remove it")
        return values


class RecordedTeacherConfig(StrategyConfig):
    """Answers from files with ``id`` and ``completion``, or with ``id``, ``rationale`` and
    ``label``; the fields of these names say what their columns are called."""

    is_recorded: ClassVar[bool] = True
    structured: ClassVar[bool] = False
    budget: ClassVar[None] = None
    gate: ClassVar[GateConfig] = GateConfig(rows=0)
    batch: ClassVar[bool] = False
    api_key_env: ClassVar[None] = None
    model: ClassVar[None] = None
    max_tokens: ClassVar[None] = None
    tokenizer: ClassVar[None] = None

    kind: Literal["recorded"]
    completions: list[str] = Field(default=[], validate_default=True)
    explanations: list[str] = []
    id: str = "id"
    completion: str = "completion"
    rationale: str = "rationale"
    label: str = "label"
    stop: list[str] = ["\n\nQ:"]
    annotate: Annotated[list[SplitChoice], EachOnce] = ["train", "validation", "test"]
    samples: Samples = 1
    explain_wrong: ExplainWrong = False

    @property
    def columns(self) -> dict[str, str]:
        """The columns of the files, by what they hold."""
        return {
            "id": self.id,
            "completion": self.completion,
            "rationale": self.rationale,
            "label": self.label,
        }

    @field_validator("completions")
    @classmethod
    def _named(cls, value: list[str], info: ValidationInfo) -> list[str]:
        if not value and info.data.get("strategy") != "explain-label":
            raise ValueError("names no file; add one")
        return value

    @field_validator("explain_wrong")
    @classmethod
    def _recorded(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("explanations") == []:
            raise ValueError("needs recorded explanations; name their files in explanations")
        return value

    @model_validator(mode="after")
    def _explained(self) -> Self:
        if self.strategy == "explain-label" and not self.explanations:
            raise ValueError(
                "strategy 'explain-label' needs recorded explanations; name their files in "
                "'explanations'"
            )
        return self


TeacherConfig = Annotated[
    HttpTeacherConfig | LocalTeacherConfig | RecordedTeacherConfig, Discriminator("kind")
]
