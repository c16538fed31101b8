"""A student: a small model that answers and explains, and can be saved and loaded."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import TypeAdapter

from distilwhy.config import StudentConfig
from distilwhy.core.method import METHODS, TargetTask
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.rows.example_builder import build_examples
from distilwhy.core.stats.comparisons import Prediction
from distilwhy.core.stats.deployment import FILE as DEPLOYMENT
from distilwhy.core.stats.deployment import Deployment
from distilwhy.core.task import CUE, Example, Row, RowFormat, Task
from distilwhy.core.training_summary import Truncation
from distilwhy.errors import StudentError, first_line
from distilwhy.hardware import choose_device
from distilwhy.students.answering import Answering
from distilwhy.students.encoding import Truncator
from distilwhy.students.load import load_network
from distilwhy.students.network import Generated, Network
from distilwhy.students.runtimes.load import load_exported
from distilwhy.students.spec import StudentSpec

CARD, README = "distilwhy.json", "README.md"
_README = """\
# A student trained by {method}

Trained with distilwhy. Use it with `distilwhy predict` or, in Python, with
`distilwhy.Student.load(folder).predict([...])`; both always give one of the choices.

{plain}"""
_PLAIN = "With {runtime}, run in this folder:\n\n```python\n{code}```\n"
_NOT_PLAIN = "Only distilwhy can run it: {runtime} lacks some of its parts.\n"


@dataclass(frozen=True)
class Student:
    """A small model that answers without an LLM.

    Attributes:
        deployment: Its calibration and cascade, once it was evaluated.
    """

    network: Network
    deployment: Deployment | None = None

    @property
    def spec(self) -> StudentSpec:
        """Its task and method; the task's exemplars are not saved with a student."""
        return self.network.spec

    @property
    def can_explain(self) -> bool:
        """Whether it writes rationales."""
        return self.spec.method.writes_rationales and self.network.can_explain

    def predict(
        self, rows: Sequence[Example | str | Row], *, explain: bool = False, batch_size: int = 64
    ) -> list[Prediction]:
        """The answer to each row, by greedy decoding, in the order given.

        A ``choice`` is decoded among the choices only, so the answer is always one of them. Its
        confidence is a probability among these choices; that of any other answer is the
        probability of the whole text, not normalised by its length. Both are calibrated where
        the student was evaluated.

        Args:
            rows: Examples; rows of fields, which the task's template renders; or whole inputs, as
                the template would render them.
            explain: Generate rationales too, by a second and longer decoding.

        Raises:
            StudentError: if it cannot explain and is asked to, or an example has no options to
                choose from.
            DataError: if a row lacks a field of the template, or its input is empty.
        """
        examples = self._read(rows)
        answers = self._generate("label", examples, batch_size)
        rationales = self.explain(examples, batch_size=batch_size) if explain else None
        found = [
            self._prediction(example, answer, rationales[index] if rationales else None)
            for index, (example, answer) in enumerate(zip(examples, answers, strict=True))
        ]
        return self.deployment.settle(found) if self.deployment else found

    def explain(self, rows: Sequence[Example | str | Row], *, batch_size: int = 64) -> list[str]:
        """The rationale for each row, by greedy decoding, in the order given.

        Args:
            rows: As in ``predict``.

        Raises:
            StudentError: if it cannot write rationales.
            DataError: as ``predict``.
        """
        if not self.spec.method.writes_rationales:
            raise StudentError(
                f"this student was trained by {self.spec.method.name!r}, which trains no "
                "rationales; use one trained by 'step-by-step'"
            )
        examples = self._read(rows)
        return [found.rationale for found in self._generate("rationale", examples, batch_size)]

    def truncation(self, examples: Sequence[Example]) -> Truncation:
        """How many of the examples, one or more, are longer than the student's input."""
        truncator = Truncator(self.spec.config)
        self.network.encode_examples("label", examples, truncator)
        return truncator.counts()["input"]

    def save(self, folder: Path) -> None:
        """Write a folder that both ``Student.load`` and plain ``transformers`` can load."""
        self.network.save(folder)
        (folder / README).write_text(self.readme, encoding="utf-8")
        self.describe(folder)

    def describe(self, folder: Path, runtime: str | None = None) -> None:
        """Write all that ``load`` reads beside the weights.

        Args:
            runtime: The Python package that does the arithmetic of the folder's student; None for
                torch.
        """
        card = {
            "family": self.network.family,
            **({"runtime": runtime} if runtime else {}),
            "method": self.spec.method.name,
            "two_passes": self.spec.two_passes,
            "wording": asdict(self.spec.task.row_format),
            "answer": asdict(self.spec.task.answer),
            "instruction": self.spec.task.instruction,
            "cue": self.spec.task.cue,
            "limits": self.spec.config.model_dump(mode="json"),
        }
        text = json.dumps(card, indent=2, ensure_ascii=False)
        (folder / CARD).write_text(text + "\n", encoding="utf-8")
        if self.deployment is not None:
            kept = json.dumps(asdict(self.deployment), indent=2)
            (folder / DEPLOYMENT).write_text(kept + "\n", encoding="utf-8")
        # Weights are saved for their owner alone, whatever the umask says.
        mode = (folder / CARD).stat().st_mode
        for file in folder.rglob("*"):
            if file.is_file():
                file.chmod(mode)

    @property
    def readme(self) -> str:
        """How to use it, in Markdown, run in its folder."""
        code = self.network.plain_code(".")
        words = _NOT_PLAIN if code is None else _PLAIN
        plain = words.format(code=code, runtime=self.network.runtime or "plain transformers")
        return _README.format(method=self.spec.method.name, plain=plain)

    @classmethod
    def load(cls, folder: Path | str, device: str | None = None) -> Self:
        """Load a saved student.

        Args:
            device: A torch device; None for a GPU if there is one. An exported student runs on
                the CPU.

        Raises:
            StudentError: if the folder holds no student.
        """
        path = Path(folder)
        try:
            card = json.loads((path / CARD).read_text(encoding="utf-8"))
            answer = Answer(card["answer"]["kind"], tuple(card["answer"]["labels"]))
            spec = StudentSpec(
                _read_task(card, answer),
                METHODS[card["method"]],
                StudentConfig.model_validate(card["limits"]),
                card["two_passes"],
            )
            family = card["family"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise StudentError(
                f"{path}: holds no student, as its {CARD} is missing or broken; "
                "name a folder under a run's students/"
            ) from error
        if runtime := card.get("runtime"):
            network = load_exported(path, runtime, family, spec)
        else:
            network = load_network(path, family, spec).to(device or choose_device())
        return cls(network.eval(), _read_deployment(path / DEPLOYMENT))

    def _prediction(
        self, example: Example, written: Generated, rationale: str | None
    ) -> Prediction:
        label = self.spec.task.answer.canonical(written.label, example.options)
        sure = written.confidence if label is not None else 0.0
        return Prediction(example.id, written.label, label, rationale, sure)

    def _read(self, rows: Sequence[Example | str | Row]) -> list[Example]:
        if isinstance(rows, str | Mapping):
            raise TypeError(f"predict takes a list of rows, not one; write [{rows!r}]")
        return build_examples(rows, self.spec.inference_task)

    def _check_options(self, examples: Sequence[Example]) -> None:
        """Check that every example has something to choose from."""
        task = self.spec.task
        if not self.spec.is_choice or task.answer.labels:
            return
        bare = next((example.id for example in examples if not example.options), None)
        if bare is not None:
            raise StudentError(
                f"this student chooses among a row's own options, and {bare!r} has none; give "
                f"--file with rows that have the field {task.row_format.options!r}, --field "
                f"{task.row_format.options}='[…]', or from Python a row with that field"
            )

    def _generate(
        self, task: TargetTask, examples: Sequence[Example], batch_size: int
    ) -> list[Generated]:
        """What the network writes for each example."""
        self._check_options(examples)
        return Answering(self.network, task, batch_size).answer(examples)


def _read_task(card: Mapping[str, Any], answer: Answer) -> Task:
    """The task on a student's card; older cards lack its instruction and cue."""
    row_format = RowFormat(**card["wording"])
    return Task(card.get("instruction", ""), row_format, answer, cue=card.get("cue", CUE))


def _read_deployment(path: Path) -> Deployment | None:
    """A student's calibration and cascade; None if it was not evaluated."""
    try:
        return TypeAdapter(Deployment).validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise StudentError(
            f"{path}: cannot be read ({first_line(error)}); delete it, or run 'evaluate' again"
        ) from error
