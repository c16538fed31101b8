"""The words of cues.toml, and the words and sentences of a text."""

import re
import tomllib
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Set
from functools import cache, lru_cache
from importlib.resources import files
from itertools import pairwise

APART = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"  # letters of languages that part no words
SENTENCE_END = re.compile(
    rf"[.!?](?:[\"')\]]*(?:\s+|$)|(?=[^\x00-\x7f])|(?<=[{APART}].))|\n|[。！？]"
)
ITEM = re.compile(r"[^\S\n]*(?:\d{1,2}[.)]|[-*•])(?=\s|$)")
_ENDED = re.compile(r"[.!?:](?=\s)|\n|[。！？：，]")
_ASKS = re.compile(r"[?？]|(?<=[か까나])[.。]")
_LONGEST_ROW, _LONGEST_CLAUSE = 2000, 200
LINE = re.compile(r"[^\n]*[^\s][^\n]*")


@cache
def listed(table: str, language: str = "") -> tuple[str, ...]:
    """The words and phrases of a table of cues.toml, in one language or in all."""
    lines = _tables()[table]
    chosen = (lines.get(language, ()),) if language else lines.values()
    return tuple(word for line in chosen for word in line)


@cache
def words(*tables: str) -> frozenset[str]:
    return frozenset(word for table in tables for word in listed(table))


def has(said: Iterable[str], *tables: str) -> bool:
    """Whether one of some words is in one of these tables."""
    return not words(*tables).isdisjoint(said)


@cache
def phrases(table: str, pattern: str = "@") -> re.Pattern[str]:
    """A pattern in which ``@`` stands for a table's phrases; ``wait*`` also opens longer words."""
    ends = {
        said.rstrip("*"): r"\b" if said[-1].isalpha() and said.isascii() else ""
        for said in listed(table)
    }
    return re.compile(pattern.replace("@", _trie(ends)), re.I)


def _trie(ends: Mapping[str, str]) -> str:
    """A pattern that matches any of some texts, each followed by its ending; longer texts win.

    It branches by characters, so that only a few texts are tried at each place.
    """
    rests: dict[str, dict[str, str]] = {}
    for said in filter(None, ends):
        rests.setdefault(said[0], {})[said[1:]] = ends[said]
    branches = [re.escape(first) + _trie(rest) for first, rest in rests.items()]
    branches += [ends[""]] if "" in ends else []
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"


@cache
def endings(pattern: str = "@") -> re.Pattern[str]:
    """The same for what closes a sentence behind its answer: ``입니다``, or words of the tables
    "settles" and "glue" alone.
    """
    glue, stems = (phrases(table).pattern for table in ("glue", "settles"))
    more = rf"[」』”’\"')]?(?:{glue}|\s)*?{stems}(?:{stems}|{glue}|\s)*+(?<!が)(?=[。.!?\n]|$)"
    either = f"(?:{more}|{phrases('ending').pattern})"
    return re.compile(pattern.replace("@", either), re.I)


@lru_cache(maxsize=256)
def language_of(row: str) -> str:
    """The language of which a row has most words; English if it has none."""
    said, known = {*split(row[-1000:])}, _tables()["tongue"]
    return max(known, key=lambda language: len(said.intersection(known[language])))


@cache
def _tables() -> dict[str, dict[str, tuple[str, ...]]]:
    text = files(__package__).joinpath("cues.toml").read_text(encoding="utf-8")
    return {
        name: {
            language: tuple(
                word.replace("_", " ").replace("~", "_").replace("\\n", "\n")
                for word in line.split()
            )
            for language, line in table.items()
        }
        for name, table in tomllib.loads(text).items()
    }


@cache
def _token(ascii_only: bool) -> re.Pattern[str]:
    letters, apart = "[a-z]+", ""
    if not ascii_only:
        tables = _tables().keys() - {"denies", "ending", "settles", "glue"}
        known = {w for table in tables for w in listed(table) if re.fullmatch(f"[{APART}]+", w)}
        letters = rf"[^\W\d_{APART}]+"
        apart = "|".join([*sorted(known, key=len, reverse=True), f"[{APART}]", ""])
    return re.compile(
        rf"{apart}\d(?:[\d.,]*\d)?|{letters}(?:['-]{letters})*|[-=]{{1,3}}>|\n|[^\s\w]"
    )


def split(text: str, *, marks: bool = False) -> list[str]:
    """The words of a short text in lower case; with its marks, if asked for."""
    low = text.lower()
    found = _token(low.isascii()).findall(low)
    return found if marks else [word for word in found if word[0].isalnum()]


def spans(text: str) -> list[tuple[int, int]]:
    """The sentences of a text, with the blanks behind them."""
    ends = [0]
    for stop in SENTENCE_END.finditer(text):
        if stop[0] == "\n" or stop.start() - ends[-1] > 1:  # unlike "b. park"
            ends.append(stop.end())
    return [(a, b) for a, b in pairwise([*ends, len(text)]) if text[a:b].strip()]


def hedges(said: Set[str]) -> bool:
    """Whether a sentence of these words affirms nothing, or says what others think."""
    owners = (
        {word[:-2] for word in said if word[-2:] == "'s"} if has(said, "views", "say") else set()
    )
    quoted = has(said, "reports") and not has(said, "kind", "sources")
    discards = has(said, "discards") and "each" not in said
    crossed = "out" in said and not said.isdisjoint(("rule", "rules", "ruled", "cross", "strike"))
    doubts = has(said, "open", "not", "crowd", "supposed", "wrong")
    return has(owners, "crowd", "people", "machines") or quoted or discards or crossed or doubts


def reported(text: str) -> bool:
    """Whether the first sentence of a text ends in whose opinion it is: "…, some would say.", or
    in what rules it out, as in German.
    """
    *before, last = re.split(r",|\s[–—-]\s", SENTENCE_END.split(text, maxsplit=1)[0])
    said = split(last[-_LONGEST_CLAUSE:])
    persons = words("crowd", "people") - {"most"}
    theirs = persons.intersection(said) if before and len(said) < 7 else ()
    speaks = words("say", "believes", "reports")
    ends = speaks.union(theirs).intersection(said[-1:] if last.isascii() else said)
    return has(said[-1:], "discards") or bool(theirs and ends and speaks.intersection(said))


@lru_cache(maxsize=256)
def question_of(row: str) -> str:
    """The last question of a row; if it has none, the first sentence of the row or of a line that
    says what to extract, or else its last.
    """
    end = row[-_LONGEST_ROW:].strip(" .。!！\n")
    asks = [mark.end() for mark in _ASKS.finditer(end)]
    told = [row[:_LONGEST_ROW].strip(), *end.split("\n")[:0:-1]]
    firsts = [first for line in told if (first := _ENDED.split(line, maxsplit=1)[0])]
    for first in [] if asks else firsts:
        if has(split(first) if first == firsts[0] else split(first)[:1], "extracts"):
            return first
    return _ENDED.split(end[: asks[-1] - 1 if asks else None])[-1].strip()


def names_asked(question: str, head: str) -> bool:
    """Whether a heading or a key is what a question asks for: ``Due date`` of "What is the due date
    of the invoice?", and neither ``Invoice`` nor ``Date``.
    """
    plain = words("tongue", "who", "extracts", "is", "filler")
    asked = [word[:4] for word in split(question) if word not in plain]
    said = [word[:4] for word in split(head) if word not in plain]
    return bool(said) and said == asked[: len(said)]


class Words:
    """The words, numbers and marks of a text in lower case.

    Attributes:
        said: Each of them.
        at: Where each begins.
    """

    def __init__(self, low: str) -> None:
        self.low, found = low, list(_token(low.isascii()).finditer(low))
        self.said = [match[0] for match in found]
        self.at = [match.start() for match in found]

    def end(self, index: int) -> int:
        return self.at[index] + len(self.said[index])

    def index(self, offset: int) -> int:
        """The first word that begins at an offset or after it."""
        return bisect_left(self.at, offset)

    def word(self, index: int) -> str:
        """A word; a newline before the first and after the last."""
        return self.said[index] if 0 <= index < len(self.said) else "\n"

    def back(self, index: int, stops: frozenset[str], most: int) -> int:
        """The first of up to so many words before one, with none of these stops among them."""
        start = index
        while start > max(0, index - most) and self.said[start - 1] not in stops:
            start -= 1
        return start

    def skip(self, index: int, known: frozenset[str]) -> int:
        """The first word from one on that is none of these."""
        while self.word(index) in known:
            index += 1
        return index

    def skip_back(self, index: int, known: frozenset[str]) -> int:
        """The first of the words right before one that are all of these, commas among them."""
        while self.word(index - 1) in known or (
            self.word(index - 1) == "," and self.word(index - 2) in known
        ):
            index -= 1
        return index
