"""The sentences and lines of a reply, and which of them affirm nothing."""

import re
from collections.abc import Set
from itertools import pairwise

from distilwhy.core.parsing.cues import SENTENCE_END, split, words

ITEM = re.compile(r"[^\S\n]*(?:\d{1,2}[.)]|[-*•])(?=\s|$)")
LINE = re.compile(r"[^\n]*[^\s][^\n]*")


def spans(text: str) -> list[tuple[int, int]]:
    """The sentences of a text, with the blanks behind them."""
    ends = [0]
    for stop in SENTENCE_END.finditer(text):
        if stop[0] == "\n" or stop.start() - ends[-1] > 1:  # unlike "b. park"
            ends.append(stop.end())
    return [(a, b) for a, b in pairwise([*ends, len(text)]) if text[a:b].strip()]


def hedges(said: Set[str]) -> bool:
    """Whether a sentence of these words affirms nothing, or says what others think."""
    theirs = {word[:-2] for word in said if word[-2:] == "'s"} & words("crowd", "people")
    theirs -= {"he", "she"}
    quoted = said & words("reports") and not said & words("kind")
    discards = (said & words("discards") and "each" not in said) or (
        {"rule", "rules", "ruled", "cross", "strike"} & said and "out" in said
    )
    return bool(
        theirs or quoted or discards or said & words("open", "not", "crowd", "supposed", "wrong")
    )


def reported(text: str) -> bool:
    """Whether the first sentence of a text ends in whose opinion it is: "…, some would say." """
    *before, last = re.split(r",|\s[–—-]\s", SENTENCE_END.split(text, maxsplit=1)[0])
    said = split(last)
    persons = words("crowd", "people") - {"most"}
    theirs = persons.intersection(said) if before and len(said) < 7 else ()
    speaks = words("say", "believes", "reports")
    ends = speaks.union(theirs).intersection(said[-1:] if last.isascii() else said)
    return bool(theirs and ends and speaks.intersection(said))
