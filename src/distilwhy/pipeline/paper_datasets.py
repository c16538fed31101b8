"""The datasets of the paper's repository: their rows and tasks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from distilwhy.core.parsing.answer import Answer

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
