"""Export to CTranslate2: encoder–decoders and decoders that write their answers."""

import copy
import json
from pathlib import Path
from typing import Any

from distilwhy.errors import StudentError, first_line
from distilwhy.pipeline.deploy.export.export_format import ExportFormat
from distilwhy.students.student import Student


def _find_obstacle(student: Student) -> str:
    network, spec = student.network, student.spec
    if network.family == "encoder":
        return "is an encoder, whose head CTranslate2 does not run; use --format onnx"
    if spec.config.label_head:
        return "chooses its label by a head, which CTranslate2 does not run; use --format hf"
    if network.family == "causal" and spec.method.place == "before":
        return (
            f"was trained by {spec.method.name!r}: behind its rationale come words, and "
            "CTranslate2 stops at single tokens only; use --format hf"
        )
    return ""


def _write(student: Student, source: Path, target: Path, quantize: str | None) -> None:
    from distilwhy.students.runtimes.ctranslate2 import PLACE

    network = student.network
    own = str(getattr(network.model, "loaded_dtype", None) or "float32").removeprefix("torch.")
    place = target / PLACE
    # The converter raises errors of all kinds at models that it does not know.
    try:
        _converter(network, source).convert(str(place), quantization=quantize or own)
    except Exception as error:
        reason = first_line(error).partition(" (supported")[0]
        raise StudentError(
            f"{source}: CTranslate2 cannot convert this {network.model.config.model_type} model "
            f"({reason}); use --format hf"
        ) from error
    _complete_config(place / "config.json")
    _complete_vocabulary(place, network.tokenizer)


def _converter(network: Any, source: Path) -> Any:
    from ctranslate2.converters import TransformersConverter

    class Converter(TransformersConverter):  # type: ignore[misc]
        """Converts a student that is loaded already."""

        def load_model(self, *_: object, **__: object) -> Any:
            model = copy.deepcopy(network.model)
            # It once meant that T5 scales its logits, which CTranslate2 still reads in it. In
            # transformers 5 it is always true.
            model.config.tie_word_embeddings = getattr(model.config, "scale_decoder_outputs", False)
            # In transformers 5 a BART has no such setting.
            if model.config.model_type == "bart":
                model.config.normalize_before = False
            return model

        def load_tokenizer(self, *_: object, **__: object) -> Any:
            return network.tokenizer

    return Converter(str(source))


def _complete_config(file: Path) -> None:
    """Have CTranslate2 take tokens as they are, the first of a target too."""
    config = json.loads(file.read_text(encoding="utf-8"))
    config |= {"bos_token": config["bos_token"] or config["eos_token"]}
    config |= {key: False for key in ("add_source_bos", "add_source_eos") if key in config}
    config |= {key: None for key in ("decoder_start_token",) if key in config}
    file.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _complete_vocabulary(place: Path, tokenizer: Any) -> None:
    """Name the ids that the tokenizer does not use, since CTranslate2 names them as others."""
    from distilwhy.students.runtimes.ctranslate2 import VOCABULARIES

    for file in (place / name for name in VOCABULARIES if (place / name).exists()):
        names = json.loads(file.read_text(encoding="utf-8"))
        names[len(tokenizer) :] = [f"<unused_{n}>" for n in range(len(tokenizer), len(names))]
        file.write_text(json.dumps(names, indent=0, ensure_ascii=False), encoding="utf-8")


CTRANSLATE2 = ExportFormat(
    "ctranslate2",
    "ctranslate2",
    ("ctranslate2",),
    ("int8", "float16", "bfloat16"),
    _find_obstacle,
    _write,
)
