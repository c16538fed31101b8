"""Export to ONNX, which onnxruntime runs: encoders with their heads."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from distilwhy.pipeline.deploy.export.export_format import ExportFormat
from distilwhy.students.families.label_head import OptionHead, mean_parts
from distilwhy.students.student import Student


class _Graph(torch.nn.Module):
    """An encoder and its head, from token ids to the logits of the choices."""

    def __init__(self, model: Any, head: OptionHead | None) -> None:
        super().__init__()
        self.model, self.head = model, head

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        belongs: torch.Tensor | None = None,
    ) -> torch.Tensor:
        found = self.model(input_ids=input_ids, attention_mask=attention_mask)
        if self.head is None or belongs is None:
            logits: torch.Tensor = found.logits
            return logits
        means, exists = mean_parts(found.last_hidden_state, belongs)
        scores: torch.Tensor = self.head(means[:, 0], means[:, 1:], exists[:, 1:])
        return scores


def _find_obstacle(student: Student) -> str:
    network = student.network
    if network.family != "encoder":
        return "writes its answers token by token, which is not one graph; use --format ctranslate2"
    if network.can_explain:
        return (
            f"was trained by {student.spec.method.name!r} and writes a rationale before each "
            "label, which is not one graph; use --format hf"
        )
    return ""


def _write(student: Student, source: Path, target: Path, quantize: str | None) -> None:
    from distilwhy.students.runtimes.onnx import MODEL, OnnxEncoder

    place = target / OnnxEncoder.place / MODEL
    place.parent.mkdir()
    with _quietly():
        _write_graph(student, place)
        if quantize is not None:
            _quantize(place)


def _write_graph(student: Student, place: Path) -> None:
    from distilwhy.students.runtimes.onnx import INPUTS, OUTPUT

    network: Any = student.network
    # Sizes that differ from one another, and a row with padding, so that nothing is taken for
    # a constant.
    mask = torch.ones(3, 11, dtype=torch.long)
    mask[0, 7:] = 0
    ids = torch.arange(11).expand(3, -1).clone()
    belongs = (ids[:, None] // 2 == torch.arange(6)[:, None]) & mask[:, None].bool()
    sizes: list[dict[int, Any]] = [{0: "rows", 1: "length"}, {0: "rows", 1: "length"}]
    given = [ids, mask]
    if network.head is not None:
        sizes.append({0: "rows", 1: "parts", 2: "length"})
        given.append(belongs)
    dynamic = torch.export.Dim.DYNAMIC
    torch.onnx.export(
        _Graph(network.model, network.head).eval(),
        tuple(given),
        place,
        input_names=INPUTS[: len(given)],
        output_names=[OUTPUT],
        dynamo=True,
        dynamic_shapes=tuple(dict.fromkeys(one, dynamic) for one in sizes),
        external_data=False,
        verbose=False,
    )


def _quantize(place: Path) -> None:
    """Store weights in 8 bits, and multiply in 8 bits: dynamic quantization."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    full = place.rename(place.with_suffix(".full"))
    # Without VNNI instructions a sum of products of all 8 bits overflows.
    quantize_dynamic(full, place, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)
    full.unlink()


@contextmanager
def _quietly() -> Iterator[None]:
    """Within the context, neither torch nor onnxruntime gives advice to their own users."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


ONNX = ExportFormat(
    "onnx",
    "onnxruntime",
    ("onnx", "onnxscript", "onnxruntime"),
    ("int8",),
    _find_obstacle,
    _write,
)
