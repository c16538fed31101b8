"""Exported students: from tiny random ones whose answers differ from row to row."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from distilwhy.core.task import Row
from distilwhy.pipeline.deploy.export.run import export
from distilwhy.students.student import Student

WORDS = ("router", "camera", "naïve café", "calls 42 times", "Line Desk", "is it 7 years old?")
ROWS: Sequence[Row] = [
    {"id": f"r{n}", "x": " ".join(WORDS[n % (k + 2)] for k in range(1 + n % 5))} for n in range(20)
]


def vary(student: Student, scale: float = 4.0) -> Student:
    """The student with weights so large that its answers differ."""
    is_encoder = student.network.family == "encoder"
    with torch.no_grad():
        for name, weight in student.network.named_parameters():
            if weight.dim() == 2 and (is_encoder or ("embed" not in name and "shared" not in name)):
                weight.mul_(scale)
    return student


def save(student: Student, folder: Path, rows: Sequence[Mapping[str, object]] = ROWS) -> Path:
    """The student's folder, beside a file of rows."""
    place = folder / "student"
    place.mkdir(parents=True)
    student.save(place)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return place


def export_to(
    format_name: str,
    student: Student,
    folder: Path,
    rows: Sequence[Mapping[str, object]] = ROWS,
    quantize: str | None = None,
) -> Path:
    """The export's folder, where no weights of torch are."""
    source, target = save(student, folder, rows), folder / "export"
    export(source, target, format_name, quantize=quantize, rows=folder / "rows.jsonl")
    assert not [*target.rglob("*.safetensors"), *target.rglob("pytorch_model*")]
    return target
