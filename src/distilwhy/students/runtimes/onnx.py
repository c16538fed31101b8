"""Encoder students that onnxruntime answers for."""

from pathlib import Path
from typing import Any, Self

import onnxruntime
import torch

from distilwhy.students.families.encoder import EncoderNetwork
from distilwhy.students.families.encoder_model import load_encoder
from distilwhy.students.families.label_head import mark_parts
from distilwhy.students.plain_code import onnx_code
from distilwhy.students.pretrained import Pretrained
from distilwhy.students.runtimes.exported import Exported
from distilwhy.students.spec import StudentSpec

MODEL = "model.onnx"
INPUTS, OUTPUT = ("input_ids", "attention_mask", "belongs"), "logits"


class OnnxEncoder(Exported, EncoderNetwork):
    """An encoder and its head as one graph.

    The graph reads ``input_ids`` and ``attention_mask``, both ``[rows, length]``, and gives
    ``logits``, ``[rows, choices]``. For rows with options of their own it also reads ``belongs``,
    ``[rows, parts, length]``: whether each token belongs to the text, to the first option, and so
    on.
    """

    runtime, place = "onnxruntime", "onnx"

    def __init__(self, model: Any, tokenizer: Any, spec: StudentSpec, session: Any) -> None:
        super().__init__(model, tokenizer, spec, is_trained=True)
        self._session = session

    @classmethod
    def load(cls, found: Pretrained, folder: Path, spec: StudentSpec) -> Self:
        """The student in a folder."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(
            folder / cls.place / MODEL, options, providers=["CPUExecutionProvider"]
        )
        return cls(load_encoder(found, spec), found.tokenizer(), spec, session)

    def decide(self, source: torch.Tensor, parts: torch.Tensor) -> tuple[torch.Tensor, list[str]]:
        values = (source, (parts >= 0).long(), mark_parts(parts))
        given = dict(zip(INPUTS, values, strict=True))
        names = [one.name for one in self._session.get_inputs()]
        (logits,) = self._session.run([OUTPUT], {name: given[name].numpy() for name in names})
        return torch.from_numpy(logits), [""] * len(source)

    def plain_code(self, folder: str) -> str | None:
        is_plain = super().plain_code(folder) is not None
        return onnx_code(self.spec, folder, f"{self.place}/{MODEL}") if is_plain else None
