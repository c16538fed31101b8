"""Replaces e-mail addresses, phone numbers and card numbers by placeholders."""

import re
from collections import Counter
from collections.abc import Callable, Iterator

from phonenumbers import Leniency, PhoneNumberMatcher

EMAIL, PHONE, CARD = "[EMAIL]", "[PHONE]", "[CARD]"

_EMAIL = re.compile(r"(?<![\w.+-])[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:[\w-]+\.)+[^\W\d_]{2,}")
_CARD = re.compile(r"(?<![\d.,-])\d(?:[ -]?\d){12,18}(?![\d-]|[.,]\d)")
_FOURS = re.compile(r"\d{4}([ -])\d{4}\1\d{4}\1\d{4}")
_DIGITS = re.compile(r"(?:\d\D{0,3}){6}\d")
# Between the two, numbers as most countries write them are found.
_REGIONS = ("US", "GB")
_NOT_PHONE = re.compile(
    r"\d{4}([-./ ])\d\d?\1\d\d?|\d\d?([-./ ])\d\d?\2(?:\d\d|\d{4})"  # dates
    r"|\d+\.\d+|\d+(?:\.\d+){3}"  # decimals, IP addresses and versions
)
_WRITTEN_AS_PHONE = re.compile(
    r"\+.*|00.*|0[\d ()/.-]{7,}|\(\d.*"
    r"|(?:1[ .-])?\d{3}[ .-]\d{3}[ .-]\d{4}(?:\D.*)?|\d{3}-\d{4}"
)
_CALLED_PHONE = re.compile(
    r"(?i)\b(?:tele)?(?:phone|fon|fono|f?ax|tel|call|text|mobil\w*|cell\w*|whatsapp|sms|handy"
    r"|my number|reach (?:me|us))\b.{0,20}$",
    re.S,
)


class Masker:
    """Masks texts and counts what it masks.

    Attributes:
        counts: How often each placeholder was put in.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def mask(self, text: str) -> str:
        """The text with placeholders."""
        text = self._replace(EMAIL, text, _EMAIL, lambda found: True)
        text = self._replace(CARD, text, _CARD, _is_card)
        return self._mask_phones(text) if _DIGITS.search(text) else text

    def _replace(
        self, name: str, text: str, pattern: re.Pattern[str], is_one: Callable[[str], bool]
    ) -> str:
        def put(found: re.Match[str]) -> str:
            if not is_one(found[0]):
                return found[0]
            self.counts[name] += 1
            return name

        return pattern.sub(put, text)

    def _mask_phones(self, text: str) -> str:
        for start, end in sorted(set(_find_phones(text)), reverse=True):
            text = f"{text[:start]}{PHONE}{text[end:]}"
            self.counts[PHONE] += 1
        return text


def _is_card(text: str) -> bool:
    """Whether a number has the check digit of a card (Luhn 1960), or is written like a card's."""
    if _FOURS.fullmatch(text):
        return True
    digits = [int(digit) for digit in reversed(text) if digit.isdecimal()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return any(digits) and (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _find_phones(text: str) -> Iterator[tuple[int, int]]:
    """Where phone numbers stand in a text; none overlaps another."""
    taken = 0
    found = [
        (match.start, match.end)
        for region in _REGIONS
        for match in PhoneNumberMatcher(text, region, leniency=Leniency.POSSIBLE)
    ]
    for start, end in sorted(found, key=lambda span: (span[0], -span[1])):
        if start >= taken and _is_phone(text[start:end], text[:start]):
            yield start, end
            taken = end


def _is_phone(number: str, before: str) -> bool:
    return not _NOT_PHONE.fullmatch(number) and bool(
        _WRITTEN_AS_PHONE.fullmatch(number) or _CALLED_PHONE.search(before[-40:])
    )
