"""Targets that share one prompt have the losses that each would have alone."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from causal import (
    draw,
    make_network,
    make_row,
    make_spec,
    outputs,
    own_loss,
)
from distilwhy.students.encoding import DrawnRow
from distilwhy.students.families.prefix_sharing import segment_mask

FORKING = ("llama", "qwen2", "qwen3", "gpt2", "granite", "gemma2")


@pytest.mark.parametrize("kind", FORKING)
def test_a_target_behind_a_shared_prompt_has_the_loss_it_has_alone(kind: str):
    network = make_network(kind)
    drawn = draw(network, [make_row(i) for i in range(3)])
    batch = network.collate(drawn)
    assert batch.is_shared
    assert len(batch.ids) == 3
    found = {output.task: output for output in network(batch)}
    for index, task in enumerate(("label", "rationale")):
        wanted = torch.stack([own_loss(network, row, index) for row in drawn])
        torch.testing.assert_close(found[task].losses, wanted, rtol=1e-5, atol=1e-5)
        assert found[task].rows.tolist() == [0, 1, 2]
    assert found["label"].weights.tolist() == [1.0] * 3
    assert found["rationale"].weights.tolist() == [0.5] * 3


@pytest.mark.parametrize("kind", FORKING)
def test_targets_behind_a_shared_prompt_do_not_attend_to_one_another(kind: str):
    network = make_network(kind)
    (drawn,) = draw(network, [make_row(0)])
    label, rationale = drawn.targets
    both = outputs(network, [drawn])
    other = replace(rationale, ids=[7, 8, 9, 10, 11, 12, 13])
    changed = outputs(network, [replace(drawn, targets=(label, other))])
    turned = outputs(network, [replace(drawn, targets=(rationale, label))])
    alone = outputs(network, [replace(drawn, targets=(label,))])
    for found in (changed, turned, alone):
        torch.testing.assert_close(found["label"].losses, both["label"].losses)
        torch.testing.assert_close(found["label"].pooled, both["label"].pooled)
    torch.testing.assert_close(turned["rationale"].losses, both["rationale"].losses)
    assert not torch.isclose(changed["rationale"].losses, both["rationale"].losses)
    assert "rationale" not in alone


def test_the_gradient_is_that_of_two_sequences():
    network = make_network("llama")
    drawn = draw(network, [make_row(0), make_row(1)])
    sum(o.losses.sum() for o in network(network.collate(drawn))).backward()
    packed = [p.grad.clone() for p in network.parameters()]
    network.zero_grad()
    sum(own_loss(network, row, index) for row in drawn for index in (0, 1)).backward()
    for one, two in zip(packed, (p.grad for p in network.parameters()), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", ["bloom", "mpt", "mamba", "mistral"])
def test_a_model_that_cannot_share_prompts_gets_a_sequence_for_each_target(kind: str):
    network = make_network(kind).train()
    drawn = draw(network, [make_row(0), make_row(1)])
    batch = network.collate(drawn)
    assert network.training
    assert not batch.is_shared
    assert len(batch.ids) == 4
    network.eval()
    found = {output.task: output for output in network(batch)}
    for index, task in enumerate(("label", "rationale")):
        wanted = torch.stack([own_loss(network, row, index) for row in drawn])
        torch.testing.assert_close(found[task].losses, wanted, rtol=1e-4, atol=1e-4)
        assert found[task].rows.tolist() == [0, 1]


def test_the_mask_by_hand():
    mask = segment_mask(torch.tensor([[0, 0, 1, 1, 2, -1]]), torch.float32)
    seen = (mask[0, 0] == 0).int().tolist()
    assert seen == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 0, 0, 0, 1],
    ]
    assert mask.min() == torch.finfo(torch.float32).min


def test_a_batch_by_hand():
    network = make_network()
    (drawn,) = draw(network, [make_row(0)])
    row = replace(drawn.row, sources=([20, 21],))
    label = replace(drawn.targets[0], opening=[30], ids=[31, 1])
    why = replace(drawn.targets[1], opening=[40, 41], ids=[42, 1], temperature=2.0)
    batch = network.collate([DrawnRow(row, (label, why))])
    assert batch.ids.tolist() == [[20, 21, 30, 31, 40, 41, 42]]
    assert batch.positions.tolist() == [[0, 1, 2, 3, 2, 3, 4]]
    assert batch.segments.tolist() == [[0, 0, 1, 1, 2, 2, 2]]
    first, second = batch.targets
    assert (first.labels.columns.tolist(), first.labels.ids.tolist()) == ([2, 3], [31, 1])
    assert (second.labels.columns.tolist(), second.labels.ids.tolist()) == ([5, 6], [42, 1])
    ids = torch.tensor([[20, 21, 40, 41, 42]])
    logits = network.model(ids).logits[0, -2:]
    found = {output.task: output for output in network(batch)}["rationale"]
    wanted = functional.cross_entropy(logits / 2.0, torch.tensor([42, 1]))
    torch.testing.assert_close(found.losses[0], wanted)
    torch.testing.assert_close(found.pooled[0], logits.mean(dim=0))


def test_logits_are_computed_only_where_there_are_labels():
    network = make_network()
    batch = network.collate(draw(network, [make_row(0), make_row(1)]))
    seen = []
    head = network.model.get_output_embeddings()
    head.register_forward_hook(lambda layer, given, made: seen.append(made.shape))
    network(batch)
    assert seen == [(1, sum(len(t.labels.ids) for t in batch.targets), 400)]
    full = network.model(input_ids=batch.ids[:, :4]).logits
    assert full.shape == (2, 4, 400)


def test_logits_are_pooled_only_on_request():
    network = make_network()
    batch = network.collate(draw(network, [make_row(0)]))
    assert all(output.pooled is not None for output in network(batch))
    network.pools = False
    assert all(output.pooled is None for output in network(batch))


def test_two_passes_give_each_task_a_sequence_with_its_prefix():
    network = make_network(spec=make_spec(two_passes=True))
    drawn = draw(network, [make_row(0), make_row(1)])
    batch = network.collate(drawn)
    assert (len(batch.ids), batch.is_shared) == (4, False)
    texts = network.tokenizer.batch_decode(batch.ids)
    assert texts[0].startswith("predict: The swing broke.\nAnswer: damage")
    assert texts[1].startswith("explain: The swing broke.\nRationale: Something")
    for index, output in enumerate(network(batch)):
        wanted = torch.stack([own_loss(network, row, index) for row in drawn])
        torch.testing.assert_close(output.losses, wanted, rtol=1e-5, atol=1e-5)


def test_losses_in_bf16_are_close_to_those_in_fp32():
    network = make_network()
    batch = network.collate(draw(network, [make_row(0), make_row(2)]))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = network(batch)
    for one, two in zip(network(batch), rough, strict=True):
        torch.testing.assert_close(one.losses, two.losses, rtol=0.1, atol=0.1)
        assert two.losses.dtype == torch.float32
