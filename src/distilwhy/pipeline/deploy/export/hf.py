"""Export to plain transformers: the student's own folder, without the files of its training."""

from pathlib import Path

import torch

from distilwhy.pipeline.deploy.export.export_format import ExportFormat
from distilwhy.students.pretrained import mark_loaded_dtype
from distilwhy.students.student import Student

_PRECISIONS = {"float16": torch.float16, "bfloat16": torch.bfloat16}


def _write(student: Student, source: Path, target: Path, quantize: str | None) -> None:
    if quantize is not None:
        mark_loaded_dtype(student.network.model, _PRECISIONS[quantize])
    student.network.save(target)


HF = ExportFormat("hf", None, (), tuple(_PRECISIONS), lambda student: "", _write)
