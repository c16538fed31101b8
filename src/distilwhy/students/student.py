"""A student: model, tokenizer and what it was taught; asked, saved and loaded."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import torch

from distilwhy.config import StudentConfig
from distilwhy.core.answer import Answer
from distilwhy.core.method import METHODS, TargetTask
from distilwhy.core.results import Prediction
from distilwhy.core.task import Example, Task, Wording
from distilwhy.errors import StudentError
from distilwhy.students.batches import cut_ids
from distilwhy.students.seq2seq import Backbone, load_backbone

CARD = "distilwhy.json"
_Trie = dict[int, Any]


@dataclass(frozen=True)
class Student:
    """A small model that answers alone.

    Attributes:
        backbone: The model and its tokenizer.
        task: What it answers; its exemplars are not kept.
        method: The name of the method that trained it.
        limits: The lengths, in tokens, that it was trained with.
    """

    backbone: Backbone
    task: Task
    method: str
    limits: StudentConfig

    def predict(
        self, examples: Sequence[Example], *, explain: bool = False, batch_size: int = 64
    ) -> list[Prediction]:
        """The student's answer to each example, by greedy decoding, in the given order.

        A ``choice`` is decoded among the choices alone, so it is always one of them.

        Args:
            explain: Ask for the rationale too; that costs a second, longer decoding.

        Raises:
            StudentError: if it is to explain and was taught no rationales.
        """
        labels = self._write("label", examples, batch_size, self.limits.max_label_tokens)
        rationales = self.explain(examples, batch_size=batch_size) if explain else None
        return [
            Prediction(
                example.id,
                text,
                self.task.answer.canonical(text, example.options),
                rationales[index] if rationales else None,
            )
            for index, (example, text) in enumerate(zip(examples, labels, strict=True))
        ]

    def explain(self, examples: Sequence[Example], *, batch_size: int = 64) -> list[str]:
        """The student's rationale for each example, by greedy decoding.

        Raises:
            StudentError: if it was taught no rationales.
        """
        if METHODS[self.method].rationales == "none":
            raise StudentError(
                f"this student was trained by {self.method!r}, which teaches no rationales; "
                "ask one that was trained by 'step-by-step'"
            )
        return self._write("rationale", examples, batch_size, self.limits.max_rationale_tokens)

    def save(self, folder: Path) -> None:
        """Write one folder that ``Student.load`` and plain ``transformers`` both load."""
        self.backbone.model.save_pretrained(folder)
        self.backbone.tokenizer.save_pretrained(folder)
        card = {
            "method": self.method,
            "wording": asdict(self.task.wording),
            "answer": asdict(self.task.answer),
            "limits": self.limits.model_dump(mode="json"),
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
            task = Task("", Wording(**card["wording"]), answer)
            limits = StudentConfig.model_validate(card["limits"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StudentError(
                f"{path}: holds no student, as its {CARD} is missing or broken; "
                "name a folder under a run's students/"
            ) from error
        backbone = load_backbone(path, limits.max_label_tokens)
        backbone.model.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval()
        return cls(backbone, task, card["method"], limits)

    def _write(
        self, task: TargetTask, examples: Sequence[Example], batch_size: int, longest: int
    ) -> list[str]:
        """What the model writes for each example, like lengths decoded together."""
        tokenizer, cap = self.backbone.tokenizer, self.limits.max_input_tokens
        sources = [tokenizer(e.text, truncation=True, max_length=cap).input_ids for e in examples]
        order = sorted(range(len(examples)), key=lambda i: len(sources[i]))
        written = [""] * len(examples)
        for start in range(0, len(order), batch_size):
            chunk = order[start : start + batch_size]
            chosen = [examples[i] for i in chunk]
            allowed = self._allowed(chosen) if task == "label" else None
            ids = self._generate(task, [sources[i] for i in chunk], allowed, longest)
            texts = tokenizer.batch_decode(ids, skip_special_tokens=True)
            for index, text in zip(chunk, texts, strict=True):
                written[index] = text.strip()
        return written

    @torch.inference_mode()
    def _generate(
        self,
        task: TargetTask,
        sources: list[list[int]],
        allowed: Callable[[int, torch.Tensor], list[int]] | None,
        longest: int,
    ) -> torch.Tensor:
        model = self.backbone.model
        batch = self.backbone.tokenizer.pad({"input_ids": sources}, return_tensors="pt")
        ids: torch.Tensor = model.generate(
            input_ids=batch["input_ids"].to(model.device),
            attention_mask=batch["attention_mask"].to(model.device),
            decoder_start_token_id=self.backbone.opens(task),
            prefix_allowed_tokens_fn=allowed,
            max_new_tokens=longest,
            do_sample=False,
        )
        return ids

    def _allowed(
        self, examples: Sequence[Example]
    ) -> Callable[[int, torch.Tensor], list[int]] | None:
        """Which tokens may follow, row by row, so that a choice is one of its choices."""
        answer = self.task.answer
        if answer.kind != "choice":
            return None
        shared = self._trie(answer.labels) if answer.labels else None
        open_rows = [
            shared or (self._trie(example.options) if example.options else None)
            for example in examples
        ]
        if any(trie is None for trie in open_rows):
            return None
        end = [int(self.backbone.tokenizer.eos_token_id)]

        def allowed(row: int, written: torch.Tensor) -> list[int]:
            node: _Trie | None = open_rows[row]
            for token in written.tolist()[1:]:
                node = node.get(token) if node else None
            return list(node) if node else end

        return allowed

    def _trie(self, choices: Sequence[str]) -> _Trie:
        trie: _Trie = {}
        for choice in choices:
            node = trie
            ids = self.backbone.tokenizer(text_target=choice).input_ids
            for token in cut_ids(ids, self.limits.max_label_tokens):
                node = node.setdefault(token, {})
        return trie
