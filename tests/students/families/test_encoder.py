"""Encoder students: what they minimise."""

from collections.abc import Sequence

import torch
from torch.nn import functional

from distilwhy.core.method import Target, TrainingRow
from distilwhy.core.task import Example
from distilwhy.students.families.encoder import EncoderNetwork
from distilwhy.students.families.label_head import OptionHead
from encoders import CLOSED, OWN, count_passes, losses, make_spec, row, scratch


def plain_logits(network: EncoderNetwork, text: str) -> torch.Tensor:
    """``[labels]``: what plain transformers makes of a text."""
    ids = network.tokenizer(text, return_tensors="pt").input_ids
    return network.model(input_ids=ids).logits[0]


def decoded(
    network: EncoderNetwork, text: str, opening: Sequence[int], rationale: str
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """By hand, for one text: the decoder's states over a rationale, the logits, and the ids."""
    tokenizer = network.tokenizer
    ids = [*tokenizer(rationale, add_special_tokens=False).input_ids, tokenizer.sep_token_id]
    source = tokenizer(text, return_tensors="pt").input_ids
    states = network.model.base_model(input_ids=source).last_hidden_state
    words = network.model.get_input_embeddings().weight
    read = torch.tensor([[*opening, *ids[:-1]]])
    hidden = network.decoder(read, states, torch.ones_like(source), words)
    hidden = hidden[0, len(opening) - 1 :]
    return hidden, hidden @ words.T, torch.tensor(ids)


def bert_head(network: EncoderNetwork, vector: torch.Tensor) -> torch.Tensor:
    pooler = network.model.bert.pooler
    return network.model.classifier(torch.tanh(pooler.dense(vector)))


def test_the_label_s_loss_is_the_cross_entropy_of_the_head():
    network = scratch(make_spec("label-distill"))
    texts = ["the red door", "a blue lamp, broken and very old"]
    targets = [Target("label", "plant"), Target("label", "thing", 0.5, temperature=2.0)]
    found = losses(network, *map(row, texts, targets))["label"]
    logits = torch.stack([plain_logits(network, text) for text in texts])
    heats = torch.tensor([[1.0], [2.0]])
    wanted = functional.cross_entropy(logits / heats, torch.tensor([2, 1]), reduction="none")
    torch.testing.assert_close(found.losses, wanted)
    torch.testing.assert_close(found.pooled, logits)
    assert found.weights.tolist() == [1.0, 0.5]


def test_the_rationale_s_loss_is_the_decoder_s_and_its_mean_state_is_classified():
    network = scratch(make_spec())
    text, why = "a blue lamp, broken", "the lamp is blue"
    rows = [
        row("the red door", Target("label", "thing"), Target("rationale", "a much longer why")),
        row(text, Target("label", "colour"), Target("rationale", why)),
    ]
    found = losses(network, *rows)["rationale"]
    hidden, logits, ids = decoded(network, text, [network.tokenizer.cls_token_id], why)
    torch.testing.assert_close(found.losses[1], functional.cross_entropy(logits, ids))
    torch.testing.assert_close(found.pooled[1], bert_head(network, hidden.mean(dim=0)))
    assert found.rows.tolist() == [0, 1]


def test_label_then_rationale_counts_the_label_as_one_token_of_the_sequence():
    network = scratch(make_spec("label-then-rationale"))
    text, why = "a blue lamp, broken", "the lamp is blue"
    rows = [
        row("the red door", Target("label", "thing", after="a much longer why")),
        row(text, Target("label", "colour", after=why)),
    ]
    found = losses(network, *rows)
    assert set(found) == {"label"}
    tokenizer = network.tokenizer
    label = tokenizer("colour", add_special_tokens=False).input_ids
    opening = [tokenizer.cls_token_id, *label, tokenizer.sep_token_id]
    _, logits, ids = decoded(network, text, opening, why)
    chosen = functional.cross_entropy(plain_logits(network, text), torch.tensor(0))
    told = functional.cross_entropy(logits, ids, reduction="sum")
    torch.testing.assert_close(found["label"].losses[1], (chosen + told) / (1 + len(ids)))
    torch.testing.assert_close(found["label"].pooled[1], plain_logits(network, text))


def test_rationale_then_label_classifies_the_mean_state_of_the_rationale():
    network = scratch(make_spec("rationale-then-label"))
    text, why = "a blue lamp, broken", "the lamp is blue"
    rows = [
        row("the red door", Target("label", "thing", before="a much longer why")),
        row(text, Target("label", "colour", before=why)),
    ]
    found = losses(network, *rows)["label"]
    hidden, logits, ids = decoded(network, text, [network.tokenizer.cls_token_id], why)
    view = bert_head(network, hidden.mean(dim=0))
    told = functional.cross_entropy(logits, ids, reduction="sum")
    wanted = (functional.cross_entropy(view, torch.tensor(0)) + told) / (1 + len(ids))
    torch.testing.assert_close(found.losses[1], wanted)
    torch.testing.assert_close(found.pooled[1], view)


def test_an_option_is_scored_by_its_own_tokens():
    network = scratch(make_spec("label-distill", OWN))
    torch.nn.init.normal_(network.head.linear)
    rows = [
        row("the red door", Target("label", "red"), options=("blue", "red")),
        row("a lamp", Target("label", "old lamp"), options=("a door", "x", "old lamp", "y")),
    ]
    found = losses(network, *rows)["label"]
    assert found.pooled[0, 2:].tolist() == [CLOSED, CLOSED]
    tokenizer = network.tokenizer
    text = tokenizer("the red door").input_ids
    options = [
        [*tokenizer(option, add_special_tokens=False).input_ids, tokenizer.sep_token_id]
        for option in ("blue", "red")
    ]
    ids = [*text, *options[0], *options[1]]
    states = network.model(input_ids=torch.tensor([ids])).last_hidden_state[0]
    parts = states.split([len(text), *map(len, options)])
    x, *offered = (functional.layer_norm(part.mean(dim=0), (32,)) for part in parts)
    scores = [x @ network.head.bilinear @ o + network.head.linear @ o for o in offered]
    torch.testing.assert_close(found.pooled[0, :2], torch.stack(scores))
    wanted = functional.cross_entropy(torch.stack(scores), torch.tensor(1))
    torch.testing.assert_close(found.losses[0], wanted)


def test_options_are_also_scored_against_the_rationale():
    network = scratch(make_spec(task=OWN))
    options = ("blue", "red", "green")
    text = TrainingRow("the red door", (Target("label", "red"), Target("rationale", "w")), options)
    both = losses(network, text)
    assert both["rationale"].pooled.shape == both["label"].pooled.shape == (1, 3)
    assert both["rationale"].pooled.isfinite().all()


def test_option_scores_start_as_cosines():
    x, o = torch.randn(2, 8), torch.randn(2, 3, 8)
    scores = OptionHead(8)(x, o, torch.ones(2, 3, dtype=torch.bool))
    centred = [v - v.mean(dim=-1, keepdim=True) for v in (x[:, None], o)]
    cosines = functional.cosine_similarity(*centred, dim=-1)
    torch.testing.assert_close(scores, 8**0.5 * cosines, atol=1e-3, rtol=1e-3)


def test_the_decoder_is_causal_and_ignores_padding():
    network = scratch(make_spec())
    states, mask = torch.randn(1, 4, 32), torch.tensor([[1, 1, 1, 0]])
    words = network.model.get_input_embeddings().weight
    ids = torch.tensor([[3, 10, 11, 12]])
    hidden = network.decoder(ids, states, mask, words)
    states[0, 3] = 7.0  # padding
    other = network.decoder(torch.tensor([[3, 10, 20, 21]]), states, mask, words)
    torch.testing.assert_close(other[:, :2], hidden[:, :2])
    assert not torch.allclose(other[:, 2:], hidden[:, 2:])


def test_the_two_tasks_do_not_depend_on_each_other():
    network = scratch(make_spec())
    label, why = Target("label", "plant"), Target("rationale", "it grows")
    alone = losses(network, row("green grass", label))["label"]
    both = losses(network, row("green grass", label, why))
    torch.testing.assert_close(both["label"].losses, alone.losses)
    only = losses(network, row("green grass", why))["rationale"]
    torch.testing.assert_close(both["rationale"].losses, only.losses)


def test_the_rationale_trains_the_encoder_and_not_the_head():
    network = scratch(make_spec())
    row_ = row("green grass", Target("label", "plant"), Target("rationale", "it grows"))
    losses(network, row_)["rationale"].losses.sum().backward()
    assert network.model.bert.encoder.layer[0].output.dense.weight.grad.abs().sum() > 0
    assert network.model.classifier.weight.grad is None


def test_all_targets_of_a_source_share_one_pass():
    network = scratch(make_spec())
    whys = ("it grows", "grass is a plant", "")
    targets = [
        Target("label", "plant", 0.5),
        Target("label", "plant", 1.5, temperature=2.0),
        Target("label", "thing", 0.5, temperature=2.0),
        *(Target("rationale", why, 1 / 3) for why in whys),
    ]
    calls = count_passes(network)
    found = losses(network, row("green grass", *targets))
    assert len(calls) == 1
    logits = plain_logits(network, "green grass").repeat(3, 1) / torch.tensor([[1.0], [2.0], [2.0]])
    wanted = functional.cross_entropy(logits, torch.tensor([2, 2, 1]), reduction="none")
    torch.testing.assert_close(found["label"].losses, wanted)
    assert found["rationale"].rows.tolist() == [0, 0, 0]
    for index, why in enumerate(whys):
        one = losses(network, row("green grass", Target("rationale", why)))["rationale"]
        torch.testing.assert_close(found["rationale"].losses[index], one.losses[0])


def test_two_passes_encode_each_prefixed_source():
    network = scratch(make_spec(two_passes=True))
    both = row("green grass", Target("label", "plant"), Target("rationale", "it grows"))
    found = losses(network, both)
    single = scratch(make_spec())
    named = losses(single, row("predict: green grass", Target("label", "plant")))["label"]
    torch.testing.assert_close(found["label"].losses, named.losses)
    told = losses(single, row("explain: green grass", Target("rationale", "it grows")))
    torch.testing.assert_close(found["rationale"].losses, told["rationale"].losses)
    asked = network.generate("label", [Example("1", "green grass")])
    assert asked == single.generate("label", [Example("1", "predict: green grass")])
