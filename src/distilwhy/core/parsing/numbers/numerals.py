"""Figures for number words: ``42`` for ``forty-two``, ``zweiundvierzig`` or ``四十二``."""

import re
from collections.abc import Iterable
from decimal import Decimal
from functools import cache, partial

from distilwhy.core.parsing.cues import language_of, listed, phrases

_TABLES = {"small": 1, "tens": 10, "hundreds": 100, "thousands": 1000}
_POWERS = {**dict.fromkeys("십十", 1), **dict.fromkeys("백百", 2), **dict.fromkeys("천千", 3)}
_POWERS |= {**dict.fromkeys("만万萬", 4), **dict.fromkeys("억亿億", 8)}
_ONES = dict(zip("일이삼사오육칠팔구一二三四五六七八九两", [*range(1, 10)] * 2 + [2], strict=True))
_ONE, _POWER = "".join(_ONES), "".join(_POWERS)
_PART = rf"(\d[\d,]*(?:\.\d+)?|[{_ONE}])?([{_POWER}])"
# "三十六" and "1만 2천", unlike "十分", "第三十" and "5千克".
_SIGNS = re.compile(
    rf"(?<![第\d가-힣{_ONE}])(?<!\d[.,])(?<!分[之の])(?=[\d{_ONE}]|[십백百十][{_ONE}]|만 ?[{_ONE}])"
    rf"(?:{_PART}[ 零〇]?)++(?:(\d+|[{_ONE}])(?![\d/{_ONE}]|[.,]\d))?(?!分[之の]|[克米瓦卡])"
)
# "negative 11" and "is minus 11", unlike "20 minus 11".
_NEGATIVE = re.compile(r"(?i)\bnegative (?=\d)|(?:\A|(?<=\bis )|(?<=\bto )|(?<=\bof ))minus (?=\d)")


def with_figures(text: str, row: str = "") -> str:
    """A text with figures for the number words of English, of the East Asian languages, and of the
    language of ``row``. What may be an article, such as "one", is left.
    """
    for language in sorted({language_of(row), "en", "en" if text.isascii() else "ko"}):
        text = _pattern(language).sub(partial(_figures, language), text)
    text = _NEGATIVE.sub("-", text)
    text = phrases("half", r"(?<![\d.,/])(\d+) @").sub(r"\1.5", text)
    return text if text.isascii() else _SIGNS.sub(_signed, text)


@cache
def number_words(language: str) -> dict[str, int]:
    """What each number word of a language is worth."""
    values = dict[str, int]()
    for table, step in _TABLES.items():
        first = {1: 0, 10: 2}.get(step, 1)
        for place, forms in enumerate(listed(table, language), first):
            values |= dict.fromkeys(forms.split("/"), place * step)
    return values


@cache
def _pattern(language: str) -> re.Pattern[str]:
    """A run of number words of a language."""
    word = _any_of(number_words(language)) or "(?!)"  # Italian and Dutch have none
    joint = "|".join([*listed("joint", language), "[ -]"])
    # Behind Korean words a counter may follow at once.
    end = r"(?=[개명권장쪽분원살마자시번입이예]|\W|$)" if language == "ko" else r"(?![\w-])"
    start = r"(?<![\w-])(?<!\d )(?<!pour )(?<!por )"  # unlike "15 pour cent" and "50 cents"
    return re.compile(rf"(?i){start}(?:{word})(?:(?:{joint}){{,3}}(?:{word}))*+{end}")


def _any_of(words: Iterable[str]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


def _figures(language: str, words: re.Match[str]) -> str:
    """The figures of a run of number words."""
    values, run, total, group, end = number_words(language), words[0], 0, 0, 0
    word = re.compile(_any_of(values), re.I)
    for found in word.finditer(run):
        value, joined, end = values[found[0].lower()], found.start() - end > 3, found.end()
        step = next(n for n in (100, 20, 10, 1) if group % n == 0 and (n != 20 or language == "fr"))
        turned = value in range(20, 100) and group % 100 in range(1, 10) and language == "de"
        if joined and language in ("en", "de") and group % 100 and not turned:
            return word.sub(partial(_figures, language), run)  # "twenty and five"
        if value == 1000 and not total:
            total, group = (group or 1) * 1000, 0
        elif value == 100 and group in range(100):
            group = (group or 1) * 100
        elif value < step or turned or not group:
            group += value
        else:  # not as thousands: "5 200"
            return run if value > 99 else word.sub(partial(_figures, language), run)
    short = language == "ko" and len(run) < 2
    return run if short or total + group == 1 else str(total + group)


def _signed(signs: re.Match[str]) -> str:
    """The figures of ``三十六`` or ``1만 2천``."""
    total = group = Decimal(0)
    for said, power in re.findall(f"{_PART}|$", signs[0]):
        value = Decimal(_ONES.get(said, said.replace(",", "") or "0"))
        if _POWERS.get(power, 0) < 4:
            group += (value or 1) * 10 ** _POWERS[power] if power else 0
        else:
            total, group = total + (group + value or 1) * 10 ** _POWERS[power], Decimal(0)
    last = re.search(rf"(?:\d+|[{_ONE}])$", signs[0])
    ones = (_ONES.get(last[0]) or int(last[0])) if last else 0
    return f"{(total + group + ones).normalize():f}"
