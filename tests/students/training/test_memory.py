"""What is told of a training before it begins, against what it then takes."""

import re
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from annotating import training_jobs
from causal import make_tokenizer
from conftest import DROP, WriteExperiment
from distilwhy.config import LoraConfig, ScratchConfig, StudentConfig, TrainingConfig
from distilwhy.core.method import METHODS, Target, TrainingRow
from distilwhy.core.student_id import StudentId
from distilwhy.errors import DistilwhyError, StudentError
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.pipeline.plan import plan
from distilwhy.pipeline.run import run
from distilwhy.pipeline.train.run import train_students
from distilwhy.students.load import build_network
from distilwhy.students.network import Network, StudentSpec
from distilwhy.students.training import memory as preflight
from distilwhy.students.training.duration import estimate_seconds
from distilwhy.students.training.memory import check_fit, estimate_memory, fixed_bytes, rows_at_once
from encoders import KINDS as ENCODERS
from encoders import pretrained as save_encoder
from endpoint import Endpoint
from footprint import TASK, TEXTS, learn, make_examples, make_rows, make_student
from pretrained import save_bert, save_pretrained

FAMILIES = ["seq2seq", "causal", "encoder"]
SMALL = ScratchConfig(width=32, layers=2, heads=2, feedforward=48, vocabulary=300, dropout=0.1)
CONFIG = TrainingConfig(steps=10, batch_size=16)
ROWS = make_rows(48, 30)


def change(**changes: object) -> TrainingConfig:
    return CONFIG.model_copy(update=changes)


def peak(network: Network, config: TrainingConfig, rows: list[TrainingRow] = ROWS) -> int:
    return estimate_memory(network, rows, config).peak(rows_at_once(rows, config))


def let(available: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the machine have so many bytes."""
    monkeypatch.setattr(preflight, "read_available", lambda: int(available))


def save_llama(folder: Path, width: int = 64) -> Path:
    """A small random Llama with untied embeddings, as a user would have it on disk."""
    tokenizer = make_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def pretrained(folder: Path, **limits: object) -> Network:
    wanted = StudentConfig(model=str(folder)).model_copy(update=limits)
    return build_network(StudentSpec(TASK, METHODS["step-by-step"], wanted), TEXTS, 0)


# --- parameters


def test_parameters_are_counted_once():
    """A Llama's by hand, its output layer being its embeddings."""
    network = make_student("causal", SMALL).network
    width, wide = SMALL.width, SMALL.feedforward
    layer = 4 * width**2 + 3 * width * wide + 2 * width
    expected = len(network.tokenizer) * width + SMALL.layers * layer + width
    found = check_fit(network, ROWS, CONFIG)
    assert (found.parameters, found.trainable) == (expected, expected)
    assert fixed_bytes(network) == 16 * expected


def test_adapters_alone_are_counted_as_trained(tmp_path: Path):
    """Of each matrix but the embeddings and the output layer, rank · (in + out)."""
    plain = pretrained(save_llama(tmp_path))
    adapted = pretrained(tmp_path, lora=LoraConfig(rank=4))
    whole = sum(p.numel() for p in plain.parameters())
    trained = 4 * sum(
        sum(module.weight.shape)
        for name, module in plain.model.named_modules()
        if isinstance(module, torch.nn.Linear) and name != "lm_head"
    )
    found = check_fit(adapted, ROWS, CONFIG)
    assert (found.trainable, found.parameters) == (trained, whole + trained)
    assert fixed_bytes(adapted) == 4 * (whole + trained) + 12 * trained


def test_shards_are_a_share_beside_a_whole_twin(monkeypatch: pytest.MonkeyPatch):
    network = make_student("causal", SMALL).network
    weights = 4 * network.size
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert fixed_bytes(network) == weights + 16 * network.size // 4
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "false")
    assert fixed_bytes(network) == 16 * network.size


# --- memory


@pytest.mark.parametrize("family", FAMILIES)
def test_memory_grows_with_the_rows_that_are_learnt_from_at_once(family: str):
    network = make_student(family, SMALL).network
    few, many = peak(network, change(batch_size=8)), peak(network, change(batch_size=32))
    fixed = fixed_bytes(network)
    assert 3.5 < (many - fixed) / (few - fixed) < 4.5
    assert peak(network, change(batch_size=32, accumulate=4)) == few
    assert peak(network, change(batch_size=32, accumulate=5)) < few
    assert peak(network, change(batch_size=480)) == peak(network, change(batch_size=48))


@pytest.mark.parametrize("family", FAMILIES)
def test_memory_is_that_of_the_longest_rows(family: str):
    """One row among many pads those that it is trained with."""
    network = make_student(family, SMALL).network
    label = Target("label", "red")
    long = TrainingRow("the door " * 30, (label, Target("rationale", "a")))
    wordy = TrainingRow("a", (label, Target("rationale", "the door " * 20)))
    short = make_rows(48, 4)
    assert peak(network, CONFIG, [*short, long]) > 3 * peak(network, CONFIG, short)
    assert peak(network, CONFIG, [*short, wordy]) > 1.5 * peak(network, CONFIG, short)


@pytest.mark.parametrize("kind", [*FAMILIES, "warm-started", "adapted"])
@pytest.mark.filterwarnings("ignore:`gradient_checkpointing_enable`:FutureWarning")
def test_memory_falls_with_checkpointed_activations(kind: str, tmp_path: Path):
    if kind == "warm-started":
        network = pretrained(
            save_bert(tmp_path), family="seq2seq", max_input_tokens=64, max_rationale_tokens=32
        )
    elif kind == "adapted":
        network = pretrained(save_llama(tmp_path), lora=LoraConfig())
    else:
        network = make_student(kind, SMALL).network
    assert peak(network, change(gradient_checkpointing=True)) < 0.85 * peak(network, CONFIG)


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_is_left_of_a_trial(family: str):
    """A student that was tried is trained to the same weights as one that was not."""
    config = change(steps=3, gradient_checkpointing=True)
    tried, untried = (make_student(family, SMALL) for _ in range(2))
    tried.network.eval()
    before = {name: weight.clone() for name, weight in tried.network.state_dict().items()}
    check_fit(tried.network, ROWS, config)
    estimate_seconds(tried, ROWS, make_examples(ROWS), config)
    assert not tried.network.training
    assert not tried.network.model.is_activation_checkpointing
    assert all(p.grad is None for p in tried.network.parameters())
    assert all(torch.equal(before[name], w) for name, w in tried.network.state_dict().items())
    for student in (tried, untried):
        learn(student, ROWS, config)
    learnt = untried.network.state_dict()
    assert all(torch.equal(learnt[name], w) for name, w in tried.network.state_dict().items())
    assert any(not torch.equal(learnt[name], before[name]) for name in before)


# --- what does not fit


def complaint(network: Network, config: TrainingConfig) -> str:
    with pytest.raises(StudentError, match="training takes about") as caught:
        check_fit(network, ROWS, config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_number_of_parts_that_is_named_fits(family: str, monkeypatch: pytest.MonkeyPatch):
    """And one part fewer does not."""
    network = make_student(family, SMALL).network
    available = peak(network, change(batch_size=5)) + 1
    let(available, monkeypatch)
    said = complaint(network, CONFIG)
    found = re.search(r"set training\.accumulate to (\d+)", said)
    assert found, said
    parts = int(found[1])
    assert peak(network, change(accumulate=parts)) <= available
    assert peak(network, change(accumulate=parts - 1)) > available
    check_fit(network, ROWS, change(accumulate=parts))


def test_a_batch_is_not_parted_further_than_its_rows(monkeypatch: pytest.MonkeyPatch):
    """Of 16 rows each of two processes has eight."""
    network = make_student("causal", SMALL).network
    memory = estimate_memory(network, ROWS, CONFIG)
    monkeypatch.setenv("WORLD_SIZE", "2")
    found = [
        preflight._least_accumulate(ROWS, CONFIG, memory, memory.peak(rows)) for rows in (8, 1, 0)
    ]
    assert found == [1, 8, None]


def test_checkpointing_is_named_where_it_is_enough(monkeypatch: pytest.MonkeyPatch):
    network = make_student("causal", SMALL).network
    thrifty = peak(network, change(gradient_checkpointing=True))
    remedy = "or set training.gradient_checkpointing to true"
    let(thrifty + 1, monkeypatch)
    assert remedy in complaint(network, CONFIG)
    check_fit(network, ROWS, change(gradient_checkpointing=True))
    let(thrifty - 1, monkeypatch)
    assert remedy not in complaint(network, CONFIG)


def test_both_are_named_where_only_both_are_enough(monkeypatch: pytest.MonkeyPatch):
    network = make_student("causal", SMALL).network
    one = {"accumulate": CONFIG.batch_size}
    available = peak(network, change(**one, gradient_checkpointing=True)) + 1
    assert available < peak(network, change(**one))
    let(available, monkeypatch)
    found = re.search(
        r"set training\.accumulate to (\d+) and training\.gradient_checkpointing to true",
        complaint(network, CONFIG),
    )
    assert found
    check_fit(network, ROWS, change(accumulate=int(found[1]), gradient_checkpointing=True))


def test_a_row_that_does_not_fit_alone(monkeypatch: pytest.MonkeyPatch):
    network = make_student("causal", SMALL).network
    let(fixed_bytes(network) + 1, monkeypatch)
    said = complaint(network, change(gradient_checkpointing=True))
    assert said.endswith("; lower student.max_input_tokens, or take a smaller model")


def test_weights_that_are_too_many(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    scratch = make_student("seq2seq", SMALL).network
    let(fixed_bytes(scratch) - 1, monkeypatch)
    assert complaint(scratch, CONFIG).endswith("; make student.scratch smaller")
    encoder = pretrained(save_bert(tmp_path), max_input_tokens=64)
    let(fixed_bytes(encoder) - 1, monkeypatch)
    assert complaint(encoder, CONFIG).endswith("; take a smaller student.model")


def test_adapters_are_named_where_they_fit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    network = pretrained(save_llama(tmp_path, width=512))
    adapted = pretrained(tmp_path, lora=LoraConfig())
    let(fixed_bytes(network) - 1, monkeypatch)
    said = complaint(network, CONFIG)
    assert said.endswith("; take a smaller student.model or set student.lora")
    assert fixed_bytes(adapted) < fixed_bytes(network) / 3
    check_fit(adapted, ROWS, change(batch_size=1))
    let(fixed_bytes(adapted) - 1, monkeypatch)
    assert complaint(adapted, CONFIG).endswith("; take a smaller student.model")
    assert complaint(network, CONFIG).endswith("; take a smaller student.model")


def test_nothing_is_trained_that_does_not_fit(
    write_experiment: WriteExperiment, monkeypatch: pytest.MonkeyPatch
):
    file = write_experiment({"methods": ["finetune"], "data.test": DROP})
    let(1000, monkeypatch)
    with pytest.raises(StudentError, match=r"there are 0\.00 GiB; make student\.scratch smaller"):
        train_students(open_experiment(file))
    assert not list((file.parent / "run").glob("students/*"))


# --- before anything is paid


BARE = {"task.gold": DROP, "task.exemplars": [], "data.test": DROP, "methods": ["label-distill"]}
NUMBER = {**BARE, "task.answer": {"kind": "number"}}
ALIKE = {**BARE, "task.answer.labels": ["½", "¼"]}
BERT, LLAMA = {"model": "bert"}, {"model": "llama"}


@pytest.mark.parametrize(
    ("changes", "student", "message"),
    [
        (NUMBER, {"family": "encoder"}, "cannot write a number; set student.family to seq2seq"),
        (NUMBER, BERT | {"max_input_tokens": 64}, "cannot write a number; set student.family"),
        ({}, {"scratch": {"width": 10}}, "width 10 does not divide by its 4 heads"),
        ({}, {"family": "causal", "scratch": {"width": 12}}, "heads the odd width 3; take a"),
        ({}, {"lora": {}}, "student.lora adapts a pretrained model, not 'scratch'"),
        ({}, BERT | {"lora": {}}, "student.lora adapts decoder-only models"),
        ({}, BERT, "student.max_input_tokens is 512, and bert has positions for 64; lower it"),
        ({}, LLAMA | {"max_input_tokens": 2000}, "more than the 2048 that the model sees"),
        ({}, LLAMA | {"family": "seq2seq"}, "is a llama, of the family 'causal'; it cannot be"),
        (ALIKE, BERT | {"family": "seq2seq", "max_input_tokens": 64}, "cannot be told apart"),
        ({}, {"model": "empty"}, "cannot be loaded"),
        ({}, {"model": "./nowhere"}, "'./nowhere' is no folder; check the path (it is relative"),
    ],
)
def test_a_student_that_cannot_be_made_is_refused_before_anything_is_paid(
    write_experiment: WriteExperiment, endpoint: Endpoint, changes, student, message, tmp_path: Path
):
    """By its plan, by ``run``, and where it is one of a study by ``compare``."""
    save_bert(tmp_path / "bert")
    save_llama(tmp_path / "llama")
    (tmp_path / "empty").mkdir()
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


@pytest.mark.parametrize("kind", [*ENCODERS, "warm", "t5", "bart", "llama", "lora"])
def test_a_student_that_can_be_made_is_let_through(
    write_experiment: WriteExperiment, kind: str, tmp_path: Path
):
    """Beside the experiment file, without its weights, as whatever it is to become."""
    folder, student = tmp_path / "model", {"model": "model", "max_input_tokens": 48}
    if kind in ENCODERS:
        save_encoder(kind, folder)
    elif kind == "warm":
        save_bert(folder)
        student |= {"family": "seq2seq", "max_rationale_tokens": 32}
    elif kind in ("llama", "lora"):
        save_llama(folder)
        student |= {"lora": {}} if kind == "lora" else {}
    else:
        save_pretrained(kind, folder)
    for weights in folder.glob("*.safetensors"):
        weights.unlink()
    methods = ["label-distill", "step-by-step", "rationale-then-label", "label-then-rationale"]
    methods = methods[:2] if kind == "warm" else methods
    found = plan(open_experiment(write_experiment({"student": student, "methods": methods})))
    assert found.warnings == []


def test_the_plan_says_which_model_it_has_not_seen(write_experiment: WriteExperiment):
    file = write_experiment({"student": {"model": "nobody/has-this"}})
    [warning] = plan(open_experiment(file)).warnings
    assert warning.startswith("'nobody/has-this' is not on this machine")


def test_a_model_is_looked_for_beside_the_experiment(
    write_experiment: WriteExperiment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """Where a command is run decides nothing, and nor does it change what a job is."""
    save_bert(tmp_path / "bert")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    student = {"model": "./bert", "max_input_tokens": 64}
    experiment = open_experiment(write_experiment({"student": student, "methods": ["finetune"]}))
    job = training_jobs(experiment).of(StudentId("finetune", 0))
    assert job.model == str(tmp_path / "bert")
    assert job.student.model == "./bert"
    assert job.build_student().network.width == 16


def test_a_test_row_that_cannot_be_asked_about_stops_a_training(write_experiment: WriteExperiment):
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


def test_the_rate_of_what_is_new_decides_nothing_where_all_is(
    write_experiment: WriteExperiment, tmp_path: Path
):
    """A student from scratch is not trained again for it; a pretrained one is."""
    save_bert(tmp_path / "bert")
    cell = StudentId("finetune", 0)

    def fingerprint(student: dict[str, object], factor: float) -> str:
        training = {"fresh_lr_factor": factor}
        changes = {"student": student, "training": training, "methods": ["finetune"]}
        file = write_experiment(changes)
        return training_jobs(open_experiment(file)).of(cell).fingerprint

    bert: dict[str, object] = {"model": str(tmp_path / "bert"), "max_input_tokens": 64}
    for student, is_the_same in (({"model": "scratch"}, True), (bert, False)):
        assert (fingerprint(student, 1) == fingerprint(student, 10)) is is_the_same
