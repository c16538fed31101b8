"""Losses and pooled logits, by hand."""

from math import log

import torch

from distilwhy.students.linear_cross_entropy import chunks_of
from distilwhy.students.logits import Labels, linear_losses, pooled_logits, target_losses


def test_target_losses_by_hand():
    """Two targets over a vocabulary of two: log-odds 0 and ln 3 give ln 2, ln 4/3 and ln 4."""
    even, sure = [0.0, 0.0], [log(3.0), 0.0]
    logits = torch.tensor([even, sure, sure])
    labels = Labels.of([[0, 1], [0]], [0, 0])
    expected = torch.tensor([(log(2) + log(4)) / 2, log(4 / 3)])
    torch.testing.assert_close(target_losses(logits, labels), expected)


def test_temperatures_divide_logits_by_hand():
    """Log-odds 2 ln 3 at temperature 2 are ln 3."""
    logits = torch.tensor([[2 * log(3.0), 0.0], [log(3.0), 0.0]])
    found = target_losses(logits, Labels.of([[1], [1]], [0, 0]), torch.tensor([2.0, 1.0]))
    torch.testing.assert_close(found, torch.tensor([log(4), log(4)]))


def test_pooled_logits_by_hand():
    logits = torch.tensor([[1.0, 2.0], [3.0, 6.0], [5.0, 7.0]])
    labels = Labels.of([[0, 1], [1], []], [0, 0, 0])
    expected = torch.tensor([[2.0, 4.0], [5.0, 7.0], [0.0, 0.0]])
    torch.testing.assert_close(pooled_logits(logits, labels), expected)


def test_batches_share_one_pass_of_the_output_layer_with_temperatures_of_their_own():
    torch.manual_seed(0)
    hidden, weight, bias = torch.randn(5, 4), torch.randn(7, 4), torch.randn(7)
    first, second = Labels.of([[1, 2], [3]], [0, 0]), Labels.of([[4], [5]], [0, 0])
    temperatures = torch.tensor([2.0, 0.5])
    logits = hidden @ weight.T + bias
    expected = [
        target_losses(logits[:3], first),
        target_losses(logits[3:], second, temperatures),
    ]
    batches = [(first, None), (second, temperatures)]
    for values in (8, 2**24):
        with chunks_of(values):
            found = linear_losses(hidden, weight, bias, batches)
        for own, other in zip(found, expected, strict=True):
            torch.testing.assert_close(own, other)
