"""The predictions of a student."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from distilwhy.cli.console import print_line
from distilwhy.core.stats.comparisons import Prediction
from distilwhy.core.wording import counted
from distilwhy.store.files import publish_text


def print_prediction(prediction: Prediction) -> None:
    """Print a label, and its rationale if there is one."""
    print_line(prediction.label or f"not a valid answer: {prediction.text!r}")
    if prediction.rationale is not None:
        print_line(f"because: {prediction.rationale}")


def write_predictions(predictions: Sequence[Prediction], output: Path | None) -> None:
    """Write predictions as JSONL to a file; None prints them."""
    lines = [json.dumps(_fields(found), ensure_ascii=False) + "\n" for found in predictions]
    if output is None:
        sys.stdout.writelines(lines)
        return
    publish_text(output, "".join(lines))
    print_line(f"wrote {counted(len(lines), 'prediction')} to {output}")


def _fields(found: Prediction) -> dict[str, str | None]:
    fields = {"id": found.example_id, "label": found.label}
    if found.label is None:
        fields["text"] = found.text
    if found.rationale is not None:
        fields["rationale"] = found.rationale
    return fields
