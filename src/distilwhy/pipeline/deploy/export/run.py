"""Exports a student: writes it aside, compares it with the student, and moves it into place."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from distilwhy.core.wording import unknown
from distilwhy.errors import ConfigError, RunError, StudentError
from distilwhy.pipeline.deploy.card import render_card
from distilwhy.pipeline.deploy.export.ctranslate2 import CTRANSLATE2
from distilwhy.pipeline.deploy.export.export_format import ExportFormat
from distilwhy.pipeline.deploy.export.hf import HF
from distilwhy.pipeline.deploy.export.onnx import ONNX
from distilwhy.pipeline.deploy.export.parity import compare
from distilwhy.pipeline.deploy.export.report import ExportReport
from distilwhy.pipeline.deploy.export.rows import rows_of_file, validation_rows
from distilwhy.store.files import folder_size, naming_file
from distilwhy.students.student import README, Student

FORMATS = {one.name: one for one in (HF, ONNX, CTRANSLATE2)}
_NO_GGUF = (
    "gguf is not offered: what converts a transformers model to GGUF is in no Python package, and "
    "GGUF has no form for the tokenizers of students from scratch; use --format ctranslate2, or "
    "--format hf and llama.cpp's convert_hf_to_gguf.py"
)


def export(
    folder: Path,
    target: Path,
    format_name: str,
    *,
    quantize: str | None = None,
    rows: Path | None = None,
) -> ExportReport:
    """Export a student to a new folder, which ``Student.load`` reads like the student's own.

    It is compared with the student before it is moved into place, by the format's own runtime.

    Args:
        format_name: ``hf``, ``onnx`` or ``ctranslate2``.
        quantize: The precision of the weights: ``int8``, ``float16`` or ``bfloat16``; None for the
            student's own.
        rows: A file with rows to compare on; None for the experiment's validation rows.

    Raises:
        ConfigError: if the format or the precision is not offered, or a package is missing.
        StudentError: if the folder holds no student, or one that the format cannot hold.
        RunError: if ``target`` exists, there are no rows, or the labels differ from the student's
            on more than 0.5 % of them.
    """
    chosen = _choose(format_name, quantize)
    if target.exists():
        raise RunError(f"{target}: already exists; name a new folder")
    student = Student.load(folder, "cpu")
    if student.network.runtime is not None:
        raise StudentError(f"{folder}: is an export already; export the student it came from")
    if obstacle := chosen.find_obstacle(student):
        raise StudentError(f"{folder}: cannot be exported to {chosen.name}: it {obstacle}")
    examples = rows_of_file(student, rows) if rows else validation_rows(folder, student)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    with naming_file(target):
        part.mkdir(parents=True)
        try:
            _write(student, folder, part, chosen, quantize)
            exported = Student.load(part, "cpu")
            parity = compare(student, exported, examples)
            parity.require(quantize)
            sizes = folder_size(part), folder_size(folder)
            report = ExportReport(chosen.name, chosen.runtime, quantize, parity, *sizes)
            report.write(part)
            _write_card(folder, part, exported, report)
            part.rename(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return report


def _choose(name: str, quantize: str | None) -> ExportFormat:
    """The format of that name, if it can be written here in that precision."""
    if name == "gguf":
        raise ConfigError(_NO_GGUF)
    if name not in FORMATS:
        raise ConfigError(f"--format: {unknown('format', name, list(FORMATS))}")
    found = FORMATS[name]
    if quantize is not None and quantize not in found.precisions:
        raise ConfigError(
            f"--quantize {quantize}: {name} offers {' and '.join(found.precisions)}; choose one, "
            "or leave it out"
        )
    if missing := [one for one in found.packages if find_spec(one) is None]:
        raise ConfigError(
            f"--format {name} needs {', '.join(missing)}; pip install 'distilwhy[export]'"
        )
    return found


def _write(
    student: Student, folder: Path, part: Path, chosen: ExportFormat, quantize: str | None
) -> None:
    """Write weights, tokenizer and what ``Student.load`` reads beside them."""
    network = student.network
    network.model.config.save_pretrained(part)
    network.tokenizer.save_pretrained(part)
    chosen.write(student, folder, part, quantize)
    student.describe(part, chosen.runtime)


def _write_card(folder: Path, part: Path, exported: Student, report: ExportReport) -> None:
    """Write the model card, or how to use it if the student's run has no results about it."""
    section = "\n".join(("## Export\n", *(f"- {line}" for line in report.lines)))
    try:
        text = render_card(folder, exported=exported, section=section)
    except RunError:
        text = f"{exported.readme.rstrip()}\n\n{section}\n"
    (part / README).write_text(text, encoding="utf-8")
