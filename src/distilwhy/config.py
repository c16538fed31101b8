"""The experiment file: strict pydantic over YAML.

Everything a user may type stands here, with its default. Paths are relative to the file that
they stand in. Anything unknown is refused, by name.
"""

import difflib
import re
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from distilwhy.core.answer import Kind
from distilwhy.core.method import METHODS, Several
from distilwhy.core.review import WrongPolicy
from distilwhy.errors import ConfigError

_NAME_IT = "name its environment variable in api_key_env"
_TEACHERS = ("chat", "completion", "anthropic", "gemini", "recorded")
_ADDRESSES = {
    "anthropic": "https://api.anthropic.com/v1",
    "gemini": "https://generativelanguage.googleapis.com/v1beta",
}
_SET_ELSEWHERE = {
    "model": "model",
    "temperature": "temperature",
    "max_tokens": "max_tokens",
    "maxOutputTokens": "max_tokens",
    "max_completion_tokens": "max_tokens, and max_tokens_name",
    "stop": "stop",
    "stop_sequences": "stop",
    "stopSequences": "stop",
}

SplitChoice = Literal["train", "validation", "test"]
TrackerChoice = Literal["tensorboard", "trackio", "wandb", "mlflow"]


def _each_once(value: list[Any]) -> list[Any]:
    for item in value:
        if value.count(item) > 1:
            raise ValueError(f"{item!r} stands twice; name each once")
    return value


EachOnce = AfterValidator(_each_once)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class AnswerConfig(_Strict):
    """What an answer may be. A choice needs ``labels`` or ``options``, other kinds neither."""

    kind: Kind
    labels: list[str] = []
    options: str | None = None


class TaskConfig(_Strict):
    """A task as written in YAML."""

    instruction: str = ""
    input: str
    gold: str | None = None
    id: str = "id"
    answer: AnswerConfig
    exemplars: list[dict[str, Any]] | str = []


class HubConfig(_Strict):
    """A split of a dataset on the Hugging Face hub."""

    hub: str
    split: str
    name: str | None = None


class DataConfig(_Strict):
    """Where the rows are. A number for ``validation`` sets that share of train aside."""

    train: str | HubConfig
    validation: float | str | HubConfig = 0.1
    test: str | HubConfig | None = None

    @field_validator("validation")
    @classmethod
    def _share(cls, value: object) -> object:
        if isinstance(value, float) and not 0 < value < 1:
            raise ValueError("a share of train must be between 0 and 1")
        return value


class GateConfig(_Strict):
    """What the first answers must be like for the rest to be asked for."""

    rows: int = Field(default=16, ge=0)
    readable: float = Field(default=0.7, ge=0, le=1)
    accuracy: float = Field(default=0.2, ge=0, le=1)


class HttpTeacherConfig(_Strict):
    """An endpoint: OpenAI-compatible, by chat or by plain completion; Anthropic's; Gemini's."""

    kind: Literal["chat", "completion", "anthropic", "gemini"]
    base_url: str
    model: str
    api_key_env: str | None = None
    temperature: float | None = Field(default=0.0, ge=0)
    max_tokens: int | None = Field(default=512, gt=0)
    max_tokens_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    stop: list[str] = ["\n\nQ:"]
    structured: bool = False
    extra: dict[str, Any] = {}
    concurrency: int = Field(default=8, gt=0)
    timeout: float = Field(default=120.0, gt=0)
    retries: int = Field(default=5, ge=0)
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    budget: float | None = Field(default=None, gt=0)
    gate: GateConfig = GateConfig()
    annotate: Annotated[list[SplitChoice], EachOnce] = ["train", "validation", "test"]
    samples: int = Field(default=1, gt=0)
    explain_wrong: bool = False

    @model_validator(mode="before")
    @classmethod
    def _at_home(cls, values: Any) -> Any:
        address = _ADDRESSES.get(str(values.get("kind"))) if isinstance(values, dict) else None
        return {"base_url": address, **values} if address else values

    @field_validator("base_url")
    @classmethod
    def _http(cls, value: str, info: ValidationInfo) -> str:
        if not re.match(r"https?://[^/\s]+", value):
            raise ValueError("must start with http:// or https://")
        if re.match(r"https?://[^/]*@", value):
            raise ValueError("must hold no user name or password; name a key in api_key_env")
        return _with_version(value.rstrip("/"), info.data.get("kind"))

    @field_validator("api_key_env")
    @classmethod
    def _name(cls, value: str | None) -> str | None:
        # Capitals alone: many keys, such as hf_… and gsk_…, could be names otherwise.
        if value is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", value):
            raise ValueError(
                "must be the NAME of an environment variable, in capitals, never the key itself"
            )
        return value

    @field_validator("extra")
    @classmethod
    def _no_key(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in value:
            if name.lower().replace("-", "_") in ("api_key", "apikey", "authorization"):
                raise ValueError(f"must not hold {name!r}; {_NAME_IT}")
        return value

    @field_validator("max_tokens")
    @classmethod
    def _needed(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is None and info.data.get("kind") == "anthropic":
            raise ValueError("kind 'anthropic' cannot do without; set it, to 1024 say")
        return value

    @field_validator("max_tokens_name")
    @classmethod
    def _named(cls, value: str, info: ValidationInfo) -> str:
        if value != "max_tokens" and info.data.get("kind") != "chat":
            raise ValueError(f"kind {info.data.get('kind')!r} has one name for it; leave it out")
        return value

    @field_validator("structured")
    @classmethod
    def _offered(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("kind") == "completion":
            raise ValueError(
                "kind 'completion' cannot ask for it; take kind 'chat', or leave it out"
            )
        return value

    @field_validator("extra")
    @classmethod
    def _not_twice(cls, value: dict[str, Any]) -> dict[str, Any]:
        within = value.get("generationConfig")
        for name in [*value, *(within if isinstance(within, dict) else ())]:
            if name in _SET_ELSEWHERE:
                raise ValueError(f"must not hold {name!r}; set teacher.{_SET_ELSEWHERE[name]}")
        return value

    @field_validator("samples")
    @classmethod
    def _differing(cls, value: int, info: ValidationInfo) -> int:
        if value > 1 and info.data.get("temperature") == 0:
            raise ValueError(
                "at temperature 0 all samples are the same; set teacher.temperature, to 0.7 say"
            )
        return value


def _with_version(url: str, kind: object) -> str:
    """An address as these providers' own clients take it, with the version that they add."""
    home = _ADDRESSES.get(str(kind))
    if home is None or re.search(r"/v\d\w*$", url):
        return url
    return url + home[home.rindex("/") :]


class RecordedTeacherConfig(_Strict):
    """Completions that you already have: JSONL files with ``id`` and ``completion``."""

    kind: Literal["recorded"]
    completions: list[str] = Field(min_length=1)
    explanations: list[str] = []
    stop: list[str] = ["\n\nQ:"]
    annotate: Annotated[list[SplitChoice], EachOnce] = ["train", "validation", "test"]
    samples: int = Field(default=1, gt=0)
    explain_wrong: bool = False

    @field_validator("explain_wrong")
    @classmethod
    def _recorded(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("explanations") == []:
            raise ValueError("needs recorded explanations; name their files in explanations")
        return value


TeacherConfig = Annotated[HttpTeacherConfig | RecordedTeacherConfig, Discriminator("kind")]


class ScratchConfig(_Strict):
    """The shape of a student that starts from nothing: a small T5."""

    width: int = Field(default=128, gt=0)
    layers: int = Field(default=3, gt=0)
    heads: int = Field(default=4, gt=0)
    feedforward: int = Field(default=256, gt=0)
    vocabulary: int = Field(default=4000, ge=300)
    dropout: float = Field(default=0.1, ge=0, lt=1)


class LoraConfig(_Strict):
    """Low-rank adapters (Hu et al. 2022, *LoRA*), merged into the weights when saved."""

    rank: int = Field(default=16, gt=0)
    alpha: int = Field(default=32, gt=0)
    dropout: float = Field(default=0.05, ge=0, lt=1)
    quantize: Literal["none", "4bit"] = "none"


class StudentConfig(_Strict):
    """The student: ``scratch``, a local folder, or the name of a model on the hub."""

    model: str = "scratch"
    family: Literal["auto", "seq2seq", "causal", "encoder"] = "auto"
    scratch: ScratchConfig = ScratchConfig()
    decoder: Literal["fresh", "copied"] = "fresh"
    decoder_layers: int = Field(default=2, gt=0)
    lora: LoraConfig | None = None
    max_input_tokens: int = Field(default=512, gt=0)
    max_label_tokens: int = Field(default=32, gt=0)
    max_rationale_tokens: int = Field(default=128, gt=0)


class SoftLabelsConfig(_Strict):
    """Learning the shares of a teacher's votes beside its label."""

    weight: float = Field(default=0.5, gt=0, le=1)
    temperature: float = Field(default=1.0, gt=0)


class TrainingConfig(_Strict):
    """How students are trained: the same for every method, so that they can be compared."""

    steps: int = Field(default=1000, gt=0)
    batch_size: int = Field(default=32, gt=0)
    accumulate: int = Field(default=1, gt=0)
    lr: float | list[float] = 3e-4
    warmup: float = Field(default=0.05, ge=0, lt=1)
    weight_decay: float = Field(default=0.01, ge=0)
    rationale_weight: float = Field(default=1.0, ge=0)
    weighting: Literal["fixed", "staged", "uncertainty"] = "fixed"
    agreement: float = Field(default=0.0, ge=0)
    soft_labels: SoftLabelsConfig | None = None
    several_rationales: Several = "draw"
    wrong_rationales: WrongPolicy = "keep"
    two_passes: bool = False
    evaluate_every: int = Field(default=100, gt=0)
    patience: int | None = Field(default=None, gt=0)
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    gradient_checkpointing: bool = False
    report_to: Annotated[list[TrackerChoice], EachOnce] = []

    @field_validator("lr")
    @classmethod
    def _rates(cls, value: float | list[float]) -> float | list[float]:
        rates = value if isinstance(value, list) else [value]
        if not rates:
            raise ValueError("must name at least one learning rate")
        for rate in rates:
            if not 0 < rate < 100:
                raise ValueError(f"a learning rate must be above 0 and below 100, not {rate!r}")
        return _each_once(value) if isinstance(value, list) else value

    @property
    def rates(self) -> list[float]:
        """The learning rates to try."""
        return self.lr if isinstance(self.lr, list) else [self.lr]


class StudyConfig(_Strict):
    """What ``compare`` varies beside methods and seeds.

    A float in ``train_rows`` is a share of the train rows, a whole number a count of them.
    """

    train_rows: Annotated[list[float | int], EachOnce] = Field(default=[1.0], min_length=1)

    @field_validator("train_rows")
    @classmethod
    def _sizes(cls, value: list[float | int]) -> list[float | int]:
        for size in value:
            if not (0 < size <= 1 if isinstance(size, float) else size >= 2):
                raise ValueError(
                    f"{size!r}: must be a share above 0.0 and up to 1.0, or a count of rows from 2"
                )
        return value


class PricesConfig(_Strict):
    """What is paid: for a million tokens of the teacher, for an hour of the student's machine."""

    currency: str = "USD"
    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached_input: float | None = Field(default=None, ge=0)
    batch_discount: float = Field(default=0.5, ge=0, le=1)
    machine_hour: float = Field(default=0.0, ge=0)


class Settings(_Strict):
    """How an experiment is done: all but its task and its rows."""

    teacher: TeacherConfig
    student: StudentConfig = StudentConfig()
    training: TrainingConfig = TrainingConfig()
    study: StudyConfig = StudyConfig()
    prices: PricesConfig | None = None
    methods: Annotated[list[str], EachOnce] = Field(
        default=["finetune", "label-distill", "step-by-step"], min_length=1
    )
    seeds: Annotated[list[int], EachOnce] = Field(default=[0], min_length=1)
    out: str | None = None

    @field_validator("methods")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        for name in value:
            if name not in METHODS:
                raise ValueError(_unknown("method", name, list(METHODS)))
        return value


class ExperimentConfig(Settings):
    """One experiment, as written in YAML."""

    task: TaskConfig | str
    data: DataConfig


Config = TypeVar("Config", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """YAML in which ``5e-5`` is a number, as it is everywhere but in YAML 1.1, and in which no
    key may stand twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key.value!r} stands twice", problem_mark=key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def read_config(path: Path, kind: type[Config]) -> Config:
    """The ``kind`` of config that the YAML file at ``path`` holds.

    Raises:
        ConfigError: in one line, naming the file, the key and what to do.
    """
    return check_config(read_yaml(path), kind, str(path))


def read_yaml(path: Path) -> object:
    """What the YAML file at ``path`` holds.

    Raises:
        ConfigError: if it cannot be read, or is no YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is no UTF-8 text; save it as UTF-8") from None
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "broken"
        raise ConfigError(
            f"{path}{line}: cannot be read as YAML ({problem}); mend it there"
        ) from None


def check_config(value: object, kind: type[Config], where: str) -> Config:
    """``value`` as that ``kind`` of config; the first thing wrong with it as a ConfigError."""
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: must hold keys and values, such as 'input:'")
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_explain(error, kind)}") from None


def _explain(error: ValidationError, kind: type[BaseModel]) -> str:
    """The most telling of pydantic's complaints, in one line."""
    complaints = error.errors(include_url=False)
    unknown = [c for c in complaints if c["type"] == "extra_forbidden"]
    first = (unknown or sorted(complaints, key=lambda c: -len(c["loc"])))[0]
    path = [part for part in first["loc"][:-1] if not _is_branch(part)]
    last = first["loc"][-1]
    if first["type"] in ("extra_forbidden", "missing") or not _is_branch(last):
        path.append(last)
    key = ".".join(str(part) for part in path)
    if first["type"] == "extra_forbidden":
        return f"{key}: {_unknown('key', str(path[-1]), _siblings(kind, path))}"
    if first["type"] == "missing":
        return f"{key}: is missing; add it"
    given = first["input"]
    if first["type"].startswith("union_tag"):
        value = f"{given['kind']!r}: " if isinstance(given, dict) and "kind" in given else ""
        return f"{key}.kind: {value}must be one of {', '.join(_TEACHERS)}"
    if first["type"].startswith("model_"):
        return f"{key}: {given!r}: must hold keys and values"
    message = str(first["msg"]).removeprefix("Value error, ").replace(" after validation", "")
    hint = "; put it in quotes" if isinstance(given, bool) and "string" in message else ""
    secret = key.endswith("api_key_env") or "user name or password" in message
    value = "" if secret or isinstance(given, dict | list) else f"{given!r}: "
    return f"{key}: {value}{message[0].lower() + message[1:]}{hint}"


def _is_branch(part: str | int) -> bool:
    """Whether pydantic names the arm of a union there, not a key."""
    arms = ("str", "float", *_TEACHERS, "list[dict[str,any]]")
    return isinstance(part, str) and (part in arms or part.endswith("Config"))


def _siblings(kind: type[BaseModel], path: list[str | int]) -> list[str]:
    """The keys that may stand where the last of ``path`` stands."""
    kinds: list[type[BaseModel]] = [kind]
    for part in path[:-1]:
        fields = [
            k.model_fields[part] for k in kinds if isinstance(part, str) and part in k.model_fields
        ]
        kinds = [model for field in fields for model in _models(field.annotation)]
    # Of two arms, the one that has the key is not the one that it was written for.
    strangers = [k for k in kinds if path[-1] not in k.model_fields]
    return sorted({name for k in strangers for name in k.model_fields})


def _models(annotation: object) -> list[type[BaseModel]]:
    if get_origin(annotation) in (Union, UnionType, Annotated, list):
        return [model for part in get_args(annotation) for model in _models(part)]
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return [annotation] if is_model else []  # type: ignore[list-item]


def _unknown(what: str, name: str, known: list[str]) -> str:
    if what == "key" and name == "api_key":
        return f"never write a key here; {_NAME_IT}"
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"unknown {what} {name!r}; did you mean {close[0]!r}?"
    return f"unknown {what} {name!r}; it must be one of {', '.join(known)}"
