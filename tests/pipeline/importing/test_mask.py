"""Personal data is masked, and what only looks like it is left."""

import pytest

from distilwhy.pipeline.importing.mask import Masker


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Mail jo.b+x@ex-ample.co.uk, please.", "Mail [EMAIL], please."),
        ("<müller@straße.de>", "<[EMAIL]>"),
        ("Call +1 555 123 4567 or (555) 123-4567.", "Call [PHONE] or [PHONE]."),
        ("555-123-4567, 555.123.4567, 555-0199", "[PHONE], [PHONE], [PHONE]"),
        ("+44 7700 900123", "[PHONE]"),
        ("020 7946 0958", "[PHONE]"),
        ("06 12 34 56 78", "[PHONE]"),
        ("+49 (0)30 901820", "[PHONE]"),
        ("00 44 20 7946 0958", "[PHONE]"),
        ("0171-1234567", "[PHONE]"),
        ("My phone is 5551234567.", "My phone is [PHONE]."),
        ("+91 98765 43210", "[PHONE]"),
        ("visa 4111111111111111, exp 12/26", "visa [CARD], exp 12/26"),
        ("4111-1111-1111-1111.", "[CARD]."),
        ("3782 822463 10005", "[CARD]"),
        ("1234 5678 9012 3456", "[CARD]"),
        ('{"to": "a@b.org", "tel": "+15551234567"}', '{"to": "[EMAIL]", "tel": "[PHONE]"}'),
    ],
)
def test_personal_data_is_masked(text: str, masked: str):
    assert Masker().mask(text) == masked
    assert Masker().mask(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        "order 1234567890",
        "order 20240115 of 2024-01-15 12:30:45",
        "on 01.02.2024 at 12.30, or 01/02/2024",
        "pi is 3.14159265",
        "host 192.168.10.25, version 10.2.33.4567",
        "1,234,567 dollars",
        "ISBN 978-3-16-148410-0",
        "number 12345678901234",
        "2019-2024, zip 12345-6789",
        "a@b, @name, user@",
    ],
)
def test_other_numbers_are_left(text: str):
    assert Masker().mask(text) == text


def test_what_was_masked_is_counted():
    masker = Masker()
    masker.mask("a@b.org or +1 555 123 4567 or +1 555 123 4568")
    assert masker.counts == {"[EMAIL]": 1, "[PHONE]": 2}
