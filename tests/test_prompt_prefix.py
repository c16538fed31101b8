"""A cache layer with room holds what one without it does, and copies less."""

import copy

import torch
from transformers.cache_utils import DynamicLayer

from distilwhy.prompt_prefix import RoomyLayer


def test_a_layer_with_room_holds_what_a_plain_one_does():
    torch.manual_seed(0)
    plain, roomy, first = DynamicLayer(), RoomyLayer(), states(1, 5)
    for layer in (plain, roomy):
        layer.update(*first)
        layer.batch_repeat_interleave(3)
    for tokens in (4, 1, 1, 90, 1):
        add_to_both(plain, roomy, tokens)
    for change in (
        lambda layer: layer.reorder_cache(torch.tensor([2, 0, 1])),
        lambda layer: layer.crop(-3),
        lambda layer: layer.batch_select_indices(torch.tensor([1, 2])),
        lambda layer: layer.reset(),
    ):
        for layer in (plain, roomy):
            change(layer)
        for tokens in (2, 1, 1):
            add_to_both(plain, roomy, tokens)


def test_a_copy_does_not_share_the_room():
    layer = RoomyLayer()
    layer.update(*states(2, 5))
    layer.update(*states(2, 1))
    other = copy.deepcopy(layer)
    kept = layer.update(*states(2, 1))[0].clone()
    other.update(*states(2, 1))
    assert torch.equal(layer.keys, kept)


def test_a_token_is_added_where_the_others_are():
    layer = RoomyLayer()
    layer.update(*states(2, 5))
    layer.update(*states(2, 1))
    places = layer.keys.data_ptr(), layer.values.data_ptr()
    for _ in range(20):
        layer.update(*states(2, 1))
    assert (layer.keys.data_ptr(), layer.values.data_ptr()) == places
    assert layer.get_seq_length() == 26


def states(rows: int, tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys and values for some tokens: two heads, and values narrower than keys."""
    return torch.randn(rows, 2, tokens, 4), torch.randn(rows, 2, tokens, 3)


def add_to_both(plain: DynamicLayer, roomy: DynamicLayer, tokens: int) -> None:
    rows = len(plain.keys) if plain.is_initialized else 2
    keys, values = states(rows, tokens)
    wanted, found = (layer.update(keys, values) for layer in (plain, roomy))
    assert torch.equal(found[0], wanted[0])
    assert torch.equal(found[1], wanted[1])
    assert roomy.get_seq_length() == plain.get_seq_length()
