"""Closed sets of labels are scored in one pass, and give what step-by-step decoding gives."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from causal import CHAT, EXAMPLES, LIMITS, TASK, make_network, make_spec
from distilwhy import prompt_prefix
from distilwhy.core.parsing.answer import Answer
from distilwhy.core.task import Example
from distilwhy.students.encoding import Truncator
from distilwhy.students.families import causal, seq2seq
from distilwhy.students.families.choosing.label_tree import LabelTree, pack_trees
from distilwhy.students.families.choosing.label_walk import LabelWalk
from distilwhy.students.families.constrain import build_trie
from distilwhy.students.network import Network
from tiny_students import CHOICE, OPTIONS, scratch

KINDS = ("llama", "qwen3", "gpt2", "gemma2", "granite", "mistral", "bloom", "mpt", "mamba")
# Starts that are shared, one label that is the start of another, and one alone.
LABELS = ("very high praise", "very high", "very low praise", "damage", "question")
END = 9
TRIE = build_trie([[*ids, END] for ids in ([1, 2, 3], [1, 2], [1, 4], [5, 6])])


def compare(network: Network, examples: list[Example], monkeypatch: pytest.MonkeyPatch) -> None:
    found = network.generate("label", examples)
    for family in (causal, seq2seq):
        monkeypatch.setattr(family, "choices_alone", lambda *given: None)
    for one, two in zip(found, network.generate("label", examples), strict=True):
        assert one.label == two.label
        assert one.confidence == pytest.approx(two.confidence, abs=1e-5)
        assert one.margin == pytest.approx(two.margin, rel=1e-2, abs=1e-4)


@pytest.mark.parametrize("place", ["apart", "after", "before"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_decoder_chooses_what_it_would_write(
    kind: str, place: Any, monkeypatch: pytest.MonkeyPatch
):
    task = replace(TASK, answer=Answer("choice", LABELS))
    network = make_network(kind, replace(make_spec(place), task=task))
    compare(network, EXAMPLES, monkeypatch)


@pytest.mark.parametrize("method", ["finetune", "label-then-rationale"])
@pytest.mark.parametrize("family", ["seq2seq", "causal"])
@pytest.mark.parametrize("task", [CHOICE, OPTIONS])
def test_a_student_chooses_among_fixed_labels_and_a_rows_own_options(
    family: str, method: str, task: Any, monkeypatch: pytest.MonkeyPatch
):
    own = [("a",), ("a b", "a c", "b"), ("b", "a b c", "a b"), ("a", "b")]
    rows = [Example(str(i), "router " * (i + 1), options) for i, options in enumerate(own)]
    compare(scratch(task, method, family=family).network, rows, monkeypatch)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_decoder_runs_once(kind: str):
    task = replace(TASK, answer=Answer("choice", LABELS))
    network = make_network(kind, replace(make_spec(), task=task))
    network.generate("label", EXAMPLES)
    runs = []
    network.model.register_forward_hook(lambda *given: runs.append(given))
    network.generate("label", EXAMPLES)
    assert len(runs) == 1


def test_an_encoder_decoder_runs_once_for_each_branching():
    network = scratch(CHOICE, "finetune", family="seq2seq").network
    runs = []
    network.model.get_decoder().register_forward_hook(lambda *given: runs.append(given))
    network.generate("label", EXAMPLES)
    assert len(runs) <= 2


def test_a_tree_by_hand():
    tree = LabelTree.of(TRIE)
    assert tree.branchings == [(), (1,), (1, 2)]
    assert tree.nodes == [(1,), (1, 2)]
    batch = pack_trees(
        [[7, 8], [7]], [tree, LabelTree.of(build_trie([[5], [6]]))], 0, torch.float32
    )
    assert batch.ids.tolist() == [[7, 8, 1, 2], [7, 0, 0, 0]]
    assert batch.positions[0].tolist() == [0, 1, 2, 3]
    assert list(zip(batch.rows.tolist(), batch.columns.tolist(), strict=True)) == [
        (0, 1),
        (0, 2),
        (0, 3),
        (1, 0),
    ]


def test_nodes_see_the_prompt_and_their_own_start_alone():
    tree = LabelTree.of(build_trie([[1, 2, 9], [1, 3, 9], [4, 2, 9], [4, 3, 9]]))
    batch = pack_trees([[7, 8]], [tree], 0, torch.float32)
    assert batch.ids.tolist() == [[7, 8, 1, 4]]
    assert batch.positions.tolist() == [[0, 1, 2, 2]]
    assert (batch.mask[0, 0] == 0).int().tolist() == [
        [1, 0, 0, 0],
        [1, 1, 0, 0],
        [1, 1, 1, 0],
        [1, 1, 0, 1],
    ]


def test_a_walk_takes_the_best_token_where_labels_branch():
    walk = LabelWalk(TRIE)
    logits = torch.zeros(10)
    logits[1] = 2.0
    walk.choose(logits)
    assert (walk.ids, walk.margin) == ([1], 2.0)
    logits[4] = 1.0
    walk.choose(logits)
    assert walk.is_done
    assert (walk.ids, walk.margin) == ([1, 4, END], 1.0)
    chances = torch.tensor([2.0, 0.0]).softmax(0)[0] * torch.tensor([1.0, 0.0]).softmax(0)[0]
    assert walk.log_probability == pytest.approx(float(chances.log()))


def test_a_walk_where_nothing_is_to_choose_is_done():
    walk = LabelWalk(build_trie([[1, 2, END]]))
    assert (walk.is_done, walk.ids, walk.margin) == (True, [1, 2, END], float("inf"))


SYSTEM = "".join(f"[system {number}]" for number in range(8))


@pytest.mark.parametrize("answer", ["choice", "text"])
@pytest.mark.parametrize("kind", ["llama", "qwen3", "gpt2", "gemma2", "mistral", "bloom", "mamba"])
def test_the_start_that_all_prompts_share_is_read_once(
    kind: str, answer: Any, monkeypatch: pytest.MonkeyPatch
):
    limits = LIMITS.model_copy(update={"max_input_tokens": 160})
    labels = LABELS if answer == "choice" else ()
    task = replace(TASK, answer=Answer(answer, labels))
    spec = replace(make_spec(limits=limits), task=task)
    network = make_network(kind, spec, template=SYSTEM + CHAT)
    tasks = ("label", "rationale")
    read = []
    handle = network.model.register_forward_pre_hook(
        lambda model, args, given: read.append(given["input_ids"].shape[1]), with_kwargs=True
    )
    found = [one for name in tasks for one in network.generate(name, EXAMPLES)]
    handle.remove()
    longest = max(
        len(ids) for ids, _ in network.encode_examples("label", EXAMPLES, Truncator(limits))
    )
    if kind in ("llama", "qwen3", "gpt2"):
        assert max(read) < longest / 2
    monkeypatch.setattr(prompt_prefix, "LEAST", 10**6)
    plain = [one for name in tasks for one in network.generate(name, EXAMPLES)]
    assert found == plain
    assert [one.margin for one in found] == pytest.approx([one.margin for one in plain], abs=1e-3)
