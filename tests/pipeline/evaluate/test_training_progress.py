"""What results say of the trainings behind them."""

from pathlib import Path

from commands import call
from distilwhy.store.files import read_json
from studies import PAIR, TRAINING, open_study


def test_results_have_accuracy_and_tokens_by_step(tmp_path: Path):
    """A method that also writes rationales trains on more tokens in as many steps."""
    settings = {**TRAINING, "steps": 4, "evaluate_every": 1}
    with open_study(tmp_path, training=settings, methods=PAIR) as file:
        call("run", file)
    results = read_json(file.parent / "run/results.json") or {}
    found = {one["method"]: one["students"][0]["progress"] for one in results["methods"]}
    for progress in found.values():
        assert [one["step"] for one in progress] == [1, 2, 3, 4]
        tokens = [one["tokens"] for one in progress]
        assert 0 < tokens[0] < tokens[-1]
    assert found["finetune"][-1]["tokens"] < found["step-by-step"][-1]["tokens"]
    assert {one["is_rising"] for one in results["methods"]} <= {True, False}
    page = (file.parent / "run/report/report.html").read_text()
    assert "Accuracy during training" in page
