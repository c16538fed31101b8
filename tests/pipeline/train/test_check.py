"""Students that cannot be built are refused before anything is paid for."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from causal import save_llama
from conftest import DROP, WriteExperiment
from distilwhy.cli.app import app
from distilwhy.errors import DistilwhyError, StudentError
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.plan import plan
from distilwhy.pipeline.run import run
from distilwhy.pipeline.train.run import train_students
from distilwhy.pipeline.train.watcher import Watcher
from distilwhy.store.files import read_json
from distilwhy.students.training import memory as preflight
from encoders import KINDS as ENCODERS
from encoders import pretrained as save_encoder
from endpoint import Endpoint
from gguf_files import save_gguf
from pretrained import save_bert, save_pretrained


def set_available(available: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the machine have this many free bytes."""
    monkeypatch.setattr(preflight, "read_available", lambda: int(available))


def test_a_student_that_does_not_fit_is_not_trained(
    write_experiment: WriteExperiment, monkeypatch: pytest.MonkeyPatch
):
    file = write_experiment({"methods": ["finetune"], "data.test": DROP})
    set_available(1000, monkeypatch)
    with pytest.raises(StudentError, match=r"0\.00 GiB are free; make student\.scratch smaller"):
        train_students(open_experiment(file))
    assert not list((file.parent / "run").glob("students/*"))


@pytest.mark.parametrize("family", ["seq2seq", "causal", "encoder"])
def test_a_student_larger_than_memory_is_refused_before_it_is_built_or_anything_is_paid(
    write_experiment: WriteExperiment, endpoint: Endpoint, family: str
):
    """Of some terabytes: building it would end this process."""
    shape = {"width": 65536, "layers": 24, "heads": 16, "feedforward": 262144}
    student = {"family": family, "scratch": shape}
    file = write_experiment(
        {"methods": ["finetune"], "student": student, "teacher.base_url": endpoint.url}
    )
    for verb in (run, train_students):
        with pytest.raises(StudentError, match=r"GiB are free; make student\.scratch smaller"):
            verb(open_experiment(file))
    assert endpoint.asked == []
    found = plan(open_experiment(file))
    assert found.sizes[""].parameters > 10**12
    [warning] = [w for w in found.warnings if "GiB" in w]
    assert warning.startswith("on this machine, training takes about")


@pytest.mark.parametrize("kind", ["seq2seq", "causal", "encoder", "bert", "llama"])
def test_the_plan_gives_the_size_that_training_finds(
    write_experiment: WriteExperiment, kind: str, tmp_path: Path
):
    student: dict[str, object] = {"model": "model", "max_input_tokens": 48}
    if kind == "bert":
        save_bert(tmp_path / "model")
    elif kind == "llama":
        save_llama(tmp_path / "model")
    else:
        student = {"family": kind, "scratch": {"width": 16, "layers": 1, "vocabulary": 300}}
    changes = {"methods": ["finetune"], "student": student, "data.test": DROP}
    file = write_experiment(changes | {"training": {"steps": 1}})
    found = plan(open_experiment(file)).sizes[""]
    fits: list[preflight.Preflight] = []
    watcher = Watcher()
    watcher.on_fit = lambda name, fit: fits.append(fit)  # type: ignore[method-assign]
    train_students(open_experiment(file), watcher=watcher)
    # From scratch, the texts of this test give fewer tokens than the vocabulary may have.
    spare = 0 if "model" in student else 16 * 20
    assert 0 <= found.parameters - fits[0].parameters <= spare
    assert found.memory < fits[0].memory
    assert (
        "for weights and optimizer, plus activations"
        in CliRunner().invoke(app, ["plan", str(file)]).stdout
    )


def test_the_plan_says_how_long_training_takes_once_a_student_like_it_is_trained(
    write_experiment: WriteExperiment,
):
    changes = {"methods": ["finetune"], "data.test": DROP, "training": {"steps": 1}}
    file = write_experiment(changes)
    assert plan(open_experiment(file)).train_seconds is None
    train_students(open_experiment(file))
    file = write_experiment(changes | {"seeds": [0, 1, 2]})
    [record] = map(read_json, (file.parent / "run").glob("students/*/training.json"))
    assert record is not None
    found = plan(open_experiment(file))
    assert len(found.to_train) == 2
    assert found.train_seconds == pytest.approx(2 * record["seconds"])


BARE = {"task.gold": DROP, "task.exemplars": [], "data.test": DROP, "methods": ["label-distill"]}
NUMBER = {**BARE, "task.answer": {"kind": "number"}}
ALIKE = {**BARE, "task.answer.labels": ["½", "¼"]}
BERT, LLAMA, HEAD = {"model": "bert"}, {"model": "llama"}, {"label_head": True}


@pytest.mark.parametrize(
    ("changes", "student", "message"),
    [
        (NUMBER, {"family": "encoder"}, "cannot write a number; set student.family to seq2seq"),
        (NUMBER, BERT | {"max_input_tokens": 64}, "cannot write a number; set student.family"),
        ({}, {"scratch": {"width": 10}}, "width 10 is not divisible by its 4 heads"),
        ({}, {"family": "causal", "scratch": {"width": 12}}, "heads the odd width 3; use a"),
        ({}, {"lora": {}}, "student.lora adapts a pretrained model, not 'scratch'"),
        ({}, BERT | {"lora": {}}, "student.lora adapts decoder-only models"),
        ({}, BERT, "student.max_input_tokens is 512, and bert has positions for 64; lower it"),
        ({}, LLAMA | {"max_input_tokens": 2000}, "more than the 2048 that the model takes"),
        ({}, LLAMA | {"family": "seq2seq"}, "is a llama, of the family 'causal'; it cannot be"),
        (
            ALIKE,
            BERT | {"family": "seq2seq", "max_input_tokens": 64},
            "are the same to this model's",
        ),
        ({}, BERT | HEAD, "student.label_head is for decoder-only models, and"),
        ({}, LLAMA | HEAD | {"family": "encoder"}, "and student.family is 'encoder'; remove one"),
        (NUMBER, LLAMA | HEAD, "student.label_head chooses a label and cannot write a number"),
        (
            {"methods": ["rationale-then-label"]},
            LLAMA | HEAD,
            "'rationale-then-label' writes it in",
        ),
        ({"training": {"agreement": 0.1}}, LLAMA | HEAD, "training.agreement compares what two"),
        ({}, {"model": "empty"}, "cannot be loaded"),
        (
            {},
            {"model": "./lama"},
            "'./lama' is not a folder; did you mean 'llama'? (it is relative",
        ),
        ({}, {"model": "./nowhere"}, "'./nowhere' is not a folder; check the path (it is relative"),
        ({}, {"model": "in/no.gguf"}, "'in/no.gguf' is not a file; check the path (it is relative"),
        ({}, {"model": "mtp.gguf"}, "'mtp.gguf' is not a file; did you mean 'mpt.gguf'?"),
        ({}, {"model": "mpt.gguf"}, "is a GGUF file of the architecture 'mpt', which transformers"),
    ],
)
def test_a_student_that_cannot_be_built_is_refused_before_anything_is_paid(
    write_experiment: WriteExperiment, endpoint: Endpoint, changes, student, message, tmp_path: Path
):
    """By ``plan``, by ``run``, and by ``compare`` for a student of the study."""
    save_bert(tmp_path / "bert")
    save_llama(tmp_path / "llama")
    (tmp_path / "empty").mkdir()
    save_gguf(tmp_path / "mpt.gguf", architecture="mpt")
    asked = {"teacher.base_url": endpoint.url, **changes}
    file = write_experiment({**asked, "student": student})
    for verb in (plan, run):
        with pytest.raises(DistilwhyError, match=re.escape(message)):
            verb(open_experiment(file))
    file = write_experiment({**asked, "study": {"students": {"other": student}}})
    with pytest.raises(DistilwhyError, match=rf"study\.students\.other.*{re.escape(message)}"):
        plan(open_experiment(file))
    with pytest.raises(DistilwhyError, match=rf"study\.students\.other.*{re.escape(message)}"):
        run(open_experiment(file), study=True)
    assert endpoint.asked == []


@pytest.mark.parametrize("kind", [*ENCODERS, "warm", "t5", "bart", "llama", "lora", "head", "gguf"])
def test_a_student_that_can_be_built_passes(
    write_experiment: WriteExperiment,
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """Without its weights, in a folder beside the experiment file."""
    folder, student = tmp_path / "model", {"model": "model", "max_input_tokens": 48}
    if kind in ENCODERS:
        save_encoder(kind, folder)
    elif kind == "warm":
        save_bert(folder)
        student |= {"family": "seq2seq", "max_rationale_tokens": 32}
    elif kind in ("llama", "lora", "head"):
        save_llama(folder)
        student |= {"lora": {"lora": {}}, "head": HEAD}.get(kind, {})
    elif kind == "gguf":
        save_gguf(folder / "tiny.gguf")
        monkeypatch.delattr("distilwhy.model_files.ModelFiles._dequantize")
    else:
        save_pretrained(kind, folder)
    for weights in folder.glob("*.safetensors"):
        weights.unlink()
    methods = ["label-distill", "step-by-step", "rationale-then-label", "label-then-rationale"]
    methods = methods[:2] if kind in ("warm", "head") else methods
    found = plan(open_experiment(write_experiment({"student": student, "methods": methods})))
    assert found.warnings == []


def test_the_plan_names_a_model_that_is_not_on_this_machine(write_experiment: WriteExperiment):
    file = write_experiment({"student": {"model": "nobody/has-this"}})
    [warning] = plan(open_experiment(file)).warnings
    assert warning.startswith("'nobody/has-this' is not on this machine")
    assert "did you mean" not in warning
    file = write_experiment({"student": {"model": "Scratsh"}})
    [warning] = plan(open_experiment(file)).warnings
    assert warning.endswith("; did you mean 'scratch'?")


def test_a_misspelt_method_gets_its_nearest_name(write_experiment: WriteExperiment):
    experiment = open_experiment(write_experiment({"methods": ["finetune", "step-by-step"]}))
    with pytest.raises(DistilwhyError, match=r"'finetun' is not in .*; did you mean 'finetune'\?"):
        train_students(experiment, "finetun")
    with pytest.raises(DistilwhyError, match=r"is not in .*; it has finetune, step-by-step"):
        train_students(experiment, "nothing-like-it")


def test_a_test_row_whose_options_do_not_fit_stops_training(write_experiment: WriteExperiment):
    def rows(name: str, options: list[str]) -> list[dict[str, object]]:
        return [
            {"id": f"{name}{i}", "message": "m", "kind": options[0], "among": options}
            for i in range(8)
        ]

    changes = {
        "task.answer": {"kind": "choice", "options": "among"},
        "task.exemplars": [],
        "methods": ["finetune"],
        "student": {"family": "encoder", "scratch": {"width": 16}, "max_input_tokens": 32},
    }
    long = rows("t", ["a " * 40, "b"])
    file = write_experiment(changes, train=rows("a", ["a", "b"]), test=long)
    with pytest.raises(StudentError, match=r"^row 't0': its options are \d+ tokens long"):
        train_students(open_experiment(file))
