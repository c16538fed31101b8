"""The data of the paper's own repository, made an experiment.

Its folder ``datasets`` (github.com/google-research/distilling-step-by-step) holds for a NAME

    NAME/NAME_train.json       rows, a JSON object a line; so NAME_test and, for some, NAME_valid
    NAME/llm/train_CoT_0.json  what PaLM 540B said to the first of them: a JSON list of texts;
                               train_CoT_1.json goes on where it ends; so for each split
    gpt-neox/NAME/train.json   what GPT-NeoX 20B said to all of them
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.splits import SPLITS
from distilwhy.errors import ConfigError, DataError
from distilwhy.pipeline.importing.new_experiment import Imported
from distilwhy.pipeline.importing.scaffold import require_new
from distilwhy.store.files import publish_jsonl, publish_text

Fields = Mapping[str, object]

_NLI = ("entailment", "neutral", "contradiction")
_CHOICE: Fields = {
    "instruction": "Choose the answer that common sense favours.",
    "input": "{{ question }}\nAnswer Choices:\n{{ choices | lettered }}",
    "gold": "answer",
    "answer": {"kind": "choice", "options": "choices"},
}
_ARITHMETIC: Fields = {
    "instruction": "Give the expression, over the numbers of the question, that answers it.",
    "input": "{{ question }}",
    "gold": "equation",
    "answer": {"kind": "equation"},
}
_INFERENCE: Fields = {
    "instruction": "Say whether the premise entails the hypothesis, contradicts it, or neither.",
    "input": "Premise: {{ premise }}\nHypothesis: {{ hypothesis }}",
    "gold": "label",
    "answer": {"kind": "choice", "labels": list(_NLI)},
}


@dataclass(frozen=True)
class Dataset:
    """A dataset.

    Attributes:
        task: The task section of an experiment file.
        stop: The text with which a completion goes on after its answer.
        fields: Converts a row of the repository to a row of an experiment, without id; raises
            KeyError if a field is missing.
    """

    task: Fields
    stop: str
    fields: Callable[[Fields], dict[str, object]]

    def is_answerable(self, fields: Fields) -> bool:
        """Whether a row's gold label is a valid answer."""
        answer = self.task["answer"]
        assert isinstance(answer, dict)
        options = fields[answer["options"]] if "options" in answer else []
        gold = fields[str(self.task["gold"])]
        if gold is None or not isinstance(options, list):
            return False
        space = Answer(answer["kind"], tuple(answer.get("labels", ())))
        return space.canonical(str(gold), tuple(map(str, options))) is not None

    def question(self, fields: Fields) -> str:
        """The text of a row, without differences of case and spacing."""
        aside = "id", self.task["gold"]
        asked = [str(value) for name, value in fields.items() if name not in aside]
        return " ".join("\n".join(asked).lower().split())


def _choice(row: Fields) -> dict[str, object]:
    return {name: row[name] for name in ("question", "choices", "answer")}


def _problem(row: Fields) -> dict[str, object]:
    return {"question": row["input"], "equation": row["label"]}


def _described_problem(row: Fields) -> dict[str, object]:
    """ASDiv gives the value with its unit: ``9 (apples)``."""
    value = str(row["Answer"]).split(" ")[0]
    return {"question": f"{row['Body']}\n{row['Question']}", "equation": value}


def _inference(row: Fields) -> dict[str, object]:
    names = dict(enumerate(_NLI))
    label = names.get(row["label"])  # type: ignore[call-overload]
    return {"premise": row["premise"], "hypothesis": row["hypothesis"], "label": label}


DATASETS = {
    "cqa": Dataset(_CHOICE, "\n\nQ:", _choice),
    "svamp": Dataset(_ARITHMETIC, "\n\nQ:", _problem),
    "asdiv": Dataset(_ARITHMETIC, "\n\nQ:", _described_problem),
    "anli1": Dataset(_INFERENCE, "\n\nPremise:", _inference),
    "esnli": Dataset(_INFERENCE, "\n\nPremise:", _inference),
}


# Where the repository keeps the answers of each teacher.
TEACHERS = {"palm": "{name}/llm", "gpt": "gpt-neox/{name}"}
_NAMED = {"train": "train", "validation": "valid", "test": "test"}
_HEADING = """\
# {name}, laid out as in the paper's repository, with the answers in its {place};
# written by `distilwhy import`. The files do not say which model gave them.
# The student and its training are the paper's. `model: scratch` needs no download, and a higher
# learning rate, such as 1.0e-3. The prompts that the teacher was shown were never published.
"""


def import_paper(source: Path, directory: Path, llm: str = "palm") -> Imported:
    """Write an experiment with rows and recorded completions, ready to run.

    ASDiv adds to the train rows of SVAMP, which must lie beside it, as it does in the repository.

    Args:
        source: The folder of one dataset, such as ``datasets/cqa``.
        directory: A new or empty folder.
        llm: Whose answers: ``palm`` or ``gpt``, as the repository calls them.

    Raises:
        ConfigError: if ``directory`` has something in it, or ``llm`` is unknown.
        DataError: if files are missing, broken, or do not match.
    """
    if llm not in TEACHERS:
        raise ConfigError(f"--llm {llm!r}: must be one of {', '.join(TEACHERS)}")
    name = _find(source)
    require_new(directory)
    work = _Import(name, llm)
    whole, place = ("svamp", source.parent / "svamp") if name == "asdiv" else (name, source)
    for split in SPLITS:
        work.read(whole, place, split)
    if name == "asdiv":
        work.read(name, source, "train")
    return work.write(directory)


def is_paper_data(source: Path) -> bool:
    """Whether a folder holds rows of a data set of the repository."""
    names = {f"{name}_{part}.json" for name in DATASETS for part in _NAMED.values()}
    return any((source / name).is_file() for name in names)


def _find(source: Path) -> str:
    """The dataset whose rows are here."""
    files = {name: f"{name}_train.json" for name in DATASETS}
    for name, file in files.items():
        if (source / file).is_file():
            return name
    raise DataError(
        f"{source}: holds none of {', '.join(files.values())}; name the folder of one dataset, "
        "such as datasets/cqa"
    )


class _Import:
    """Rows and completions by split, as they are gathered."""

    def __init__(self, name: str, llm: str) -> None:
        self._name, self._llm = name, llm
        self._rows: dict[str, dict[str, Fields]] = {split: {} for split in SPLITS}
        self._said: dict[str, str] = {}
        self._left_out: Counter[str] = Counter()

    def read(self, name: str, source: Path, split: str) -> None:
        """Add a split of a dataset; one for validation need not be there."""
        place, dataset = source / f"{name}_{_NAMED[split]}.json", DATASETS[name]
        if split == "validation" and not place.is_file():
            return
        rows = list(_read_rows(place))
        said = self._read_completions(name, source, split)
        if len(said) > len(rows):
            raise DataError(
                f"{place}: has {len(rows):,} rows, and the teacher answered {len(said):,}; take "
                "the two from one version of the repository"
            )
        for number, (row, where) in enumerate(rows):
            try:
                fields = dataset.fields(row)
            except KeyError as error:
                raise DataError(f"{where}: has no field {error.args[0]!r}; fix the row") from None
            if not dataset.is_answerable(fields):
                self._left_out[f"{split} rows without a label of the task"] += 1
            elif split == "train" and number >= len(said):
                self._left_out["train rows that the teacher was not asked about"] += 1
            else:
                identity = self._identify(row, f"{name}-{split}-{number + 1}")
                self._rows[split][identity] = {"id": identity, **fields}
                if number < len(said):
                    self._said[identity] = said[number]

    def _identify(self, row: Fields, fallback: str) -> str:
        given = str(row.get("id") or row.get("uid") or fallback)
        return fallback if any(given in rows for rows in self._rows.values()) else given

    def _read_completions(self, name: str, source: Path, split: str) -> list[str]:
        """What the teacher said to the first rows, or to all."""
        if self._llm == "gpt":
            first = source.parent / "gpt-neox" / name / f"{_NAMED[split]}.json"
            parts = [first] if first.is_file() else []
        else:
            first = source / "llm" / f"{_NAMED[split]}_CoT_0.json"
            parts = sorted(first.parent.glob(f"{_NAMED[split]}_CoT_*.json"), key=_number)
        if not parts and split == "train":
            raise DataError(
                f"{first}: is missing; it holds the teacher's completions, so fetch it too"
            )
        for number, part in enumerate(parts if self._llm == "palm" else ()):
            if _number(part) != number:
                missing = f"{_NAMED[split]}_CoT_{number}.json"
                raise DataError(
                    f"{part}: is there, but {missing} before it is missing; fetch it too"
                )
        return [text for part in parts for text in _read_texts(part)]

    def write(self, directory: Path) -> Imported:
        """Write all of it, but for rows that the test split has too."""
        question = DATASETS[self._name].question
        tested = {question(row) for row in self._rows["test"].values()}
        for split in ("train", "validation"):
            shared = [i for i, row in self._rows[split].items() if question(row) in tested]
            for identity in shared:
                del self._rows[split][identity]
                self._left_out[f"{split} rows that also stand in test"] += 1
        written = {split: list(rows.values()) for split, rows in self._rows.items() if rows}
        for split, rows in written.items():
            publish_jsonl(directory / f"{split}.jsonl", rows)
            ids = [str(row["id"]) for row in rows]
            said = [{"id": i, "completion": self._said[i]} for i in ids if i in self._said]
            if said:
                publish_jsonl(directory / f"{split}.completions.jsonl", said)
        file = directory / "experiment.yaml"
        experiment = yaml.safe_dump(self._experiment(), sort_keys=False, allow_unicode=True)
        place = TEACHERS[self._llm].format(name=self._name)
        heading = _HEADING.format(name=self._name, place=place)
        publish_text(file, heading + str(experiment))
        counts = {split: len(rows) for split, rows in written.items()}
        return Imported(file, counts, dict(self._left_out))

    def _experiment(self) -> dict[str, object]:
        answered = [split for split in SPLITS if any(i in self._said for i in self._rows[split])]
        apart = bool(self._rows["validation"])
        annotate = [s for s in SPLITS if s in answered or (s == "validation" and not apart)]
        return {
            "task": dict(DATASETS[self._name].task),
            "data": {
                "train": "train.jsonl",
                "validation": "validation.jsonl" if apart else 0.1,
                "test": "test.jsonl",
            },
            "teacher": {
                "kind": "recorded",
                "completions": [f"{split}.completions.jsonl" for split in answered],
                "stop": [DATASETS[self._name].stop],
                "annotate": annotate,
            },
            "student": {
                "model": "google/t5-v1_1-base",
                "max_input_tokens": 1024,
                "max_rationale_tokens": 256,
            },
            "training": {"steps": 10000, "batch_size": 64, "lr": 5e-5, "evaluate_every": 250},
        }


def _read_rows(path: Path) -> Iterator[tuple[Fields, str]]:
    """Rows a line, or all in one list: ``datasets`` takes either."""
    text = _read_text(path)
    if text.lstrip().startswith("["):
        values = [*enumerate(_parse_list(text, f"{path}"), 1)]
    else:
        lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
        values = [(n, _parse(line, f"{path} row {n}")) for n, line in lines]
    for number, row in values:
        if not isinstance(row, dict):
            raise DataError(f"{path} row {number}: is not a JSON object; fix the row")
        yield row, f"{path} row {number}"


def _read_texts(path: Path) -> list[str]:
    values = _parse_list(_read_text(path), f"{path}")
    for number, value in enumerate(values, 1):
        if not isinstance(value, str):
            raise DataError(f"{path} item {number}: is not text: {value!r}; fetch the file again")
    return [str(value) for value in values]


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not UTF-8 text; save it as UTF-8") from None


def _parse_list(text: str, where: str) -> list[object]:
    values = _parse(text, where)
    if not isinstance(values, list):
        raise DataError(f"{where}: must be a JSON list; fetch the file again")
    return values


def _parse(text: str, where: str) -> object:
    try:
        value: object = json.loads(text)
        if "\\ud" in text.lower():  # an escape of half a character could not be written again
            value = json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", error)
        raise DataError(f"{where}: is not valid JSON ({reason}); fetch the file again") from None
    return value


def _number(path: Path) -> int:
    """``train_CoT_12.json`` → 12."""
    number = path.stem.rpartition("_")[2]
    return int(number) if number.isdecimal() else -1
