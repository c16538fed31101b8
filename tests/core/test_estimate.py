"""Tokens, cost and time of calls, estimated before they are made."""

import pytest

from distilwhy.core.cost import Prices
from distilwhy.core.estimate import Counted, Measured, Pace, Range, estimate

PRICES = Prices("USD", input=2.0, output=10.0)
PACE = Pace(concurrency=10)


def test_without_answers_a_token_is_four_bytes_and_replies_are_like_the_exemplars():
    found = estimate(100, 40_000, [], PACE, PRICES, reply=80.0, longest=512)
    assert (found.input.low, found.input.high) == (pytest.approx(7_000), pytest.approx(13_000))
    assert found.output == Range(1_000.0, 4_000.0)
    assert found.cost is not None
    assert found.cost.low == pytest.approx(0.014 + 0.01)
    assert found.cost.high == pytest.approx(0.026 + 0.04)
    assert (found.seconds, found.source) == (None, "at 4 bytes a token")


def test_replies_are_bounded_by_the_token_limit():
    assert estimate(10, 100, [], PACE, None, reply=800.0, longest=64).output == Range(640, 640)
    assert estimate(10, 100, [], PACE, None, reply=0.0, longest=64).output == Range(200, 640)


def test_answers_narrow_the_range():
    known = [Measured(400, 100, 20 + i % 3, 2.0 + i % 2) for i in range(60)]
    found = estimate(100, 40_000, known, PACE, PRICES, reply=80.0, longest=512)
    assert (found.input.low, found.input.high) == (pytest.approx(10_000), pytest.approx(10_000))
    assert 2_050 < found.output.low < 2_100 < found.output.high < 2_150
    assert found.seconds is not None
    assert 23 < found.seconds.low < 25 < found.seconds.high < 27
    assert found.source == "measured on 60 answers"


def test_the_range_from_a_pilot_contains_the_truth():
    """Replies of all lengths, of which a pilot saw a tenth."""
    replies = [20 + (37 * i) % 61 for i in range(1000)]
    known = [Measured(400, 110, reply, 1.0) for reply in replies[::10]]
    found = estimate(900, 360_000, known, PACE, PRICES, reply=0.0, longest=512)
    rest = sum(replies) - sum(replies[::10])
    assert found.output.low <= rest <= found.output.high
    assert found.output.high - found.output.low < 0.2 * rest


def test_token_counts_of_all_prompts_are_exact():
    counted = Counted("a tokenizer", [400, 440, 480], [110, 118, 131])
    known = [Measured(400, 7, 20, 2.0)] * 10
    found = estimate(3, 1320, known, PACE, PRICES, reply=0.0, longest=512, counted=counted)
    assert found.input == Range(359.0, 359.0)
    assert found.cost is not None
    assert found.cost.low == pytest.approx((359 * 2 + 60 * 10) / 1e6)
    assert found.source == "counted by a tokenizer, replies measured on 10 answers"
    few = estimate(3, 1320, [], PACE, None, reply=0.0, longest=512, counted=counted)
    assert few.source == "counted by a tokenizer"


def test_the_range_from_a_sample_of_counts_contains_the_truth():
    """A head of 900 tokens that takes 2,000 bytes, and questions of a token for four bytes, more
    or less."""
    sizes = [2_000 + 40 * (i % 17) for i in range(1700)]
    tokens = [900 + (size - 2_000) // 4 + (37 * i) % 7 for i, size in enumerate(sizes)]
    some = Counted("a tokenizer", sizes[::20], tokens[::20])
    found = estimate(1700, sum(sizes), [], PACE, None, reply=0.0, longest=None, counted=some)
    assert found.input.low < sum(tokens) < found.input.high
    assert found.input.high - found.input.low < 0.002 * sum(tokens)
    assert found.source == "counted on 85 prompts by a tokenizer"
    alike = Counted("a tokenizer", [400] * 3, [100] * 3)
    same = estimate(9, 3600, [], PACE, None, reply=0.0, longest=None, counted=alike)
    assert same.input == Range(900.0, 900.0)


@pytest.mark.parametrize(
    ("pace", "seconds"),
    [
        (Pace(10), 20.0),
        (Pace(1), 200.0),
        (Pace(10, requests_per_minute=60), 100.0),
        (Pace(10, tokens_per_minute=6000), 120.0),
    ],
)
def test_rate_limits_bound_the_time(pace, seconds):
    known = [Measured(400, 100, 20, 2.0)] * 10
    found = estimate(100, 40_000, known, pace, None, reply=0.0, longest=None).seconds
    assert found is not None
    assert found.low == found.high == pytest.approx(seconds)
