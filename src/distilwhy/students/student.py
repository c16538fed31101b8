"""A student: a network and what it was taught; asked, saved and loaded."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from distilwhy.config import StudentConfig
from distilwhy.core.method import METHODS, TargetTask
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.stats.comparisons import Prediction
from distilwhy.core.task import Example, RowFormat, Task
from distilwhy.core.training_summary import Truncation
from distilwhy.errors import StudentError
from distilwhy.hardware import choose_device
from distilwhy.students.load import family_of, load_network
from distilwhy.students.network import Lengths, Network, StudentSpec, Written

CARD = "distilwhy.json"


@dataclass(frozen=True)
class Student:
    """A small model that answers alone.

    Attributes:
        network: Its model and tokenizer, and what they are for.
    """

    network: Network

    @property
    def brief(self) -> StudentSpec:
        """What it answers and how it was taught; the task's exemplars are not kept."""
        return self.network.brief

    @property
    def can_explain(self) -> bool:
        """Whether it writes rationales."""
        return self.brief.method.writes_rationales and self.network.explains

    def predict(
        self, examples: Sequence[Example], *, explain: bool = False, batch_size: int = 64
    ) -> list[Prediction]:
        """The student's answer to each example, by greedy decoding, in the given order.

        A ``choice`` is decoded among the choices alone, so it is always one of them.

        Args:
            explain: Ask for the rationale too; that costs a second, longer decoding.

        Raises:
            StudentError: if it is to explain and was taught no rationales, or an example has
                no options to choose among.
        """
        answers = self._write("label", examples, batch_size)
        rationales = self.explain(examples, batch_size=batch_size) if explain else None
        return [
            Prediction(
                example.id,
                answer.label,
                self.brief.task.answer.canonical(answer.label, example.options),
                rationales[index] if rationales else None,
            )
            for index, (example, answer) in enumerate(zip(examples, answers, strict=True))
        ]

    def explain(self, examples: Sequence[Example], *, batch_size: int = 64) -> list[str]:
        """The student's rationale for each example, by greedy decoding.

        Raises:
            StudentError: if it cannot write rationales.
        """
        if not self.brief.method.writes_rationales:
            raise StudentError(
                f"this student was trained by {self.brief.method.name!r}, which teaches no "
                "rationales to write; ask one that was trained by 'step-by-step'"
            )
        return [found.rationale for found in self._write("rationale", examples, batch_size)]

    def truncation(self, examples: Sequence[Example]) -> Truncation:
        """How many of the examples, one or more, are longer than the student reads."""
        lengths = Lengths(self.brief.limits)
        self.network.sources("label", examples, lengths)
        return lengths.truncation()["input"]

    def save(self, folder: Path) -> None:
        """Write one folder that ``Student.load`` and plain ``transformers`` both load."""
        self.network.save(folder)
        card = {
            "family": family_of(self.network),
            "method": self.brief.method.name,
            "two_passes": self.brief.two_passes,
            "wording": asdict(self.brief.task.row_format),
            "answer": asdict(self.brief.task.answer),
            "limits": self.brief.limits.model_dump(mode="json"),
        }
        text = json.dumps(card, indent=2, ensure_ascii=False)
        (folder / CARD).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path | str, device: str | None = None) -> Self:
        """The student in a folder, on a GPU if there is one.

        Raises:
            StudentError: if the folder holds no student.
        """
        path = Path(folder)
        try:
            card = json.loads((path / CARD).read_text(encoding="utf-8"))
            answer = Answer(card["answer"]["kind"], tuple(card["answer"]["labels"]))
            brief = StudentSpec(
                Task("", RowFormat(**card["wording"]), answer),
                METHODS[card["method"]],
                StudentConfig.model_validate(card["limits"]),
                card["two_passes"],
            )
            family = card["family"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StudentError(
                f"{path}: holds no student, as its {CARD} is missing or broken; "
                "name a folder under a run's students/"
            ) from error
        network = load_network(path, family, brief)
        network.to(device or choose_device()).eval()
        return cls(network)

    def _check_options(self, examples: Sequence[Example]) -> None:
        """See to it that there is something to choose among."""
        task = self.brief.task
        if not self.brief.chooses or task.answer.labels:
            return
        bare = next((example.id for example in examples if not example.options), None)
        if bare is not None:
            raise StudentError(
                f"this student chooses among a row's own options, and {bare!r} has none; give "
                f"--file with rows that have the field {task.row_format.options!r}, or from Python "
                "an Example with its options"
            )

    def _write(
        self, task: TargetTask, examples: Sequence[Example], batch_size: int
    ) -> list[Written]:
        """What the network writes for each example, like lengths decoded together."""
        self._check_options(examples)
        order = sorted(range(len(examples)), key=lambda i: len(examples[i].text))
        written = [Written()] * len(examples)
        for start in range(0, len(order), batch_size):
            chunk = order[start : start + batch_size]
            found = self.network.write(task, [examples[i] for i in chunk])
            for index, one in zip(chunk, found, strict=True):
                written[index] = one
        return written
