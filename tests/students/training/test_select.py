"""One of several rationales of a row is picked before training."""

from pathlib import Path

import pytest
import torch

from causal import LIMITS, TEXTS, make_network, make_spec
from distilwhy.config import TrainingConfig
from distilwhy.core.method import Target, TrainingRow
from distilwhy.errors import StudentError
from distilwhy.students.encoding import DrawnRow, Truncator
from distilwhy.students.network import Network
from distilwhy.students.training.select import (
    LOWEST_RANK,
    rank_surprisal_ratios,
    select_rationales,
)
from encoders import make_spec as encoder_spec
from encoders import scratch as scratch_encoder
from pretrained import save_bert, save_pretrained
from tiny_students import CHOICE, pretrained

REASONS = ("Something is broken.", "They ask 12 things.", "glad glad glad")
STUDENT = TrainingConfig(select_rationale="student", batch_size=2)
RANDOM = TrainingConfig(select_rationale="random")
PRETRAINED = LIMITS.model_copy(update={"model": "somewhere"})


def rows(labels: tuple[str, ...], reasons: tuple[str, ...] = REASONS) -> list[TrainingRow]:
    """Rows with several rationales, of which each epoch would draw one, and one with none."""
    found = []
    for text in TEXTS:
        sets = [(Target("label", labels[0]), Target("rationale", because)) for because in reasons]
        found.append(TrainingRow(text, sets[0], (), tuple(sets[1:])))
    return [*found, TrainingRow("Silence.", (Target("label", labels[0]),))]


def plain_ratio(network: Network, text: str, because: str) -> float:
    """The ratio by plain transformers, token by token."""
    row = network.encode(
        TrainingRow(text, (Target("rationale", because),)), Truncator(network.spec.config)
    )
    [target] = row.variants[0]
    prompt = [*row.sources[0], *target.opening]
    with torch.no_grad():
        logits = network.model(torch.tensor([prompt + target.ids])).logits[0]
    ranks, surprisals = [], []
    for at, token in enumerate(target.ids, start=len(prompt) - 1):
        order = logits[at].argsort(descending=True).tolist()
        ranks.append(min(1 + order.index(token), LOWEST_RANK))
        surprisals.append(-logits[at].log_softmax(dim=0)[token].item())
    return sum(ranks) / sum(surprisals)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "qwen3"])
def test_the_rationale_with_the_lowest_rank_for_its_surprisal_is_taken(kind: str):
    network = make_network(kind, make_spec(limits=PRETRAINED))
    given = rows(("damage",))
    ratios = [[plain_ratio(network, text, because) for because in REASONS] for text in TEXTS]
    encoded = [
        network.encode(
            TrainingRow(text, (Target("rationale", because),)), Truncator(network.spec.config)
        )
        for text in TEXTS
        for because in REASONS
    ]
    found = rank_surprisal_ratios(network, [DrawnRow(row, row.variants[0]) for row in encoded])
    assert found == pytest.approx([one for own in ratios for one in own], rel=1e-4)
    chosen = select_rationales(network, given, STUDENT, 0)
    best = [REASONS[own.index(min(own))] for own in ratios]
    assert [row.targets[1].text for row in chosen[:-1]] == best
    assert all(row.others == () for row in chosen)
    assert chosen[-1] == given[-1]


def test_picking_leaves_the_network_as_it_was():
    network = make_network(spec=make_spec(limits=PRETRAINED)).train()
    network.pools = False
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    select_rationales(network, rows(("damage",)), STUDENT, 0)
    assert network.training
    assert not network.pools
    assert all(torch.equal(before[name], weight) for name, weight in network.state_dict().items())


def test_an_encoder_decoder_picks_too(tmp_path: Path):
    student = pretrained(save_pretrained("t5", tmp_path), CHOICE)
    chosen = select_rationales(student.network, rows(("Accounts",)), STUDENT, 0)
    assert all(row.targets[1].text in REASONS for row in chosen[:-1])


def test_a_rationale_in_the_label_s_sequence_is_picked_with_it():
    network = make_network("llama", make_spec("before", PRETRAINED))
    given = [
        TrainingRow(
            TEXTS[0],
            (Target("label", "damage", before=REASONS[0]),),
            (),
            tuple((Target("label", "damage", before=one),) for one in REASONS[1:]),
        )
    ]
    [chosen] = select_rationales(network, given, STUDENT, 0)
    assert chosen.targets in (given[0].targets, *given[0].others)


def test_random_draws_one_by_seed():
    given = [row for _ in range(10) for row in rows(("damage",))]
    one, again, other = (
        select_rationales(make_network(), given, RANDOM, seed) for seed in (0, 0, 1)
    )
    assert one == again != other
    assert {row.targets[1].text for row in one if len(row.targets) > 1} == set(REASONS)
    assert all(row.others == () for row in one)


def test_a_decoder_that_begins_at_random_cannot_pick(tmp_path: Path):
    bert = pretrained(save_bert(tmp_path), CHOICE, family="seq2seq")
    for network in (scratch_encoder(encoder_spec()), bert.network):
        with pytest.raises(StudentError, match="decoder starts at random; use random"):
            select_rationales(network, rows(("colour",)), STUDENT, 0)
