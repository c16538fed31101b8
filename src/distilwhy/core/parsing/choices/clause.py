"""Whether the words before a choice tie it to the row, and affirm it."""

import re
from collections.abc import Set

from distilwhy.core.parsing.cues import Words, has, hedges, phrases, split, words
from distilwhy.core.parsing.reader import Reader

_REJECTED = ("not", "open", "discards", "wrong", "concedes")


def ties(said: Words, index: int) -> bool:
    """Whether a word ties an answer to what it is said of: "is", or "to" in "belongs to"."""
    word, near = said.said[index], said.said[max(0, index - 9) : index]
    if near and near[-1] in words("favor"):
        return index < 3 or has(near, "files", "head")
    if word in words("into"):
        return has(near, "files")
    if word in ("say", "answer"):
        return near[-1:] in (["i'd"], ["i'll"]) or near[-2:] == ["i", "would"]
    return word in words("as", "concludes", "makes")


class Clause:
    """The words of a sentence from the start of a clause up to the one that ties a label to them.

    Args:
        start: The first word of the clause.
        index: The word that ties the label to it.
    """

    def __init__(self, reader: Reader, said: Words, start: int, index: int, label: str) -> None:
        colon = said.back(index, frozenset(":"), 99)
        self.reader, self.said, self.index = reader, said, index
        theirs = has(said.said[start:colon], "attributed", "believes", "crowd")
        self.start = max(start, colon - 1 if colon and not theirs else 0)
        low = said.low[: said.end(index)]
        corrected = list(phrases("retracts", r",\s*@").finditer(low, said.at[self.start]))
        if corrected:  # "first I thought (a), scratch that, it is (b)"
            self.start = said.index(corrected[-1].start())
        self.first, self.tie = said.word(self.start), said.said[index]
        begin = self.start if self.first in (";", ",") else max(0, self.start - 1)
        self.before = {*said.said[begin : index + 1]}
        arrow = self.tie in words("as") and not self.tie[0].isalpha()
        if arrow:  # "not entailed → neutral"
            self.before -= words("not", "open", "hard", "discards", "wrong") | {"out", "whether"}
        letters = reader.letters.named.items()
        self.others = {choice.lower() for choice in reader.choices} - {label.lower()}
        self.others |= {f"({name})" for name, choices in letters if label not in choices}

    def affirms(self, *, closes: bool) -> bool:
        """Whether they affirm it.

        Args:
            closes: Whether a colon ties it, or the label ends a sentence that its verb does not.
        """
        named, denies = self._names_another(), self.before & words("not")
        if denies and has(self.before, "contrast"):
            return True
        end, begin = self.said.end(self.index), self.said.at[self.start]
        if phrases("seemingly").search(self.said.low, begin, end):
            return False
        before = self.before - self._untouched(denies)
        if self.tie in words("left") and (denies or named):  # "(a) is a myth, which leaves (b)"
            return not hedges(before - words("not", "wrong", "discards"))
        last = self.said.said[self.said.back(self.index, frozenset(":"), 99) : self.index]
        if named and denies and denies.isdisjoint(last):  # "not the mall: it is the park"
            return not hedges(before - words("not"))
        quoted = self.said.low[: self.said.end(self.index)].count('"') % 2
        asked = has(before - {self.tie}, "noun") and not has(before, "revises")
        theirs = has(before, "attributed") or (closes and has(before, "people", "negative"))
        others = words("people") - words("it", "pronoun") - {"most", "man"}
        theirs = theirs or (self.start == 0 and self.first in others)
        pair = words("several") - {"one", "all", "any"}
        if self.tie == ":" and not denies and not pair.isdisjoint(before):
            return False  # "Both can be defended: the park because …"
        if named or quoted or asked or theirs or hedges(before) or has(before, "concedes", "hard"):
            return False
        # "In winter, … is" is no fact of the row.
        circumstance = self.first in words("circumstance") and self.reader.letters.certain
        return not circumstance or has(before, "said", "pronoun", "favor")

    def _names_another(self) -> bool:
        """Whether they name another choice, or a part before a semicolon affirms one."""
        end, begin = self.said.end(self.index), self.said.at[self.start]
        if which := self._which():
            begin = which.end()
        named = any(choice in self.said.low[begin:end] for choice in self.others)
        earlier = self.said.low[:begin] if self.first == ";" else ""
        retracted = phrases("retracts").search(self.said.low, 0, end)
        if retracted or has(split(earlier), *_REJECTED):
            return named
        return named or any(choice in earlier for choice in self.others)

    def _untouched(self, denies: Set[str]) -> Set[str]:
        """The words that deny or suppose something, but not the label."""
        found, end = set[str](), self.said.end(self.index)
        near = self.said.said[max(self.start, self.index - 3) : self.index]
        negations = denies | (self.before & words("missing"))
        if (
            self.tie == ":"
            and has(self.before, "clash", "concludes")
            and negations.isdisjoint(near)
        ):
            # "they can't both be true: contradiction", "so there is nothing to weigh up: reject"
            found |= negations
        possible = not self.before.isdisjoint(("possible", "möglich", "posible", "possível"))
        if self.tie == ":" and possible and (denies or has(self.before, "spares")):
            found |= words("open")  # "it is possible without being certain: neutral"
        if which := self._which():  # "nothing settles it, which leaves us at neutral"
            doubts = words("open", "supposed", "crowd") - words("not")
            found |= self.before - {*split(self.said.low[which.end() : end])} - doubts
        return found

    def _which(self) -> re.Match[str] | None:
        """Where they conclude by "…, which …", unless a copula ties the label."""
        if self.tie in words("is"):
            return None
        begin, end = self.said.at[self.start], self.said.end(self.index)
        filed = phrases("files", r",(?=\s@\s(?:ich|wir|man)\b)").search(self.said.low, begin, end)
        return phrases("which", r",\s@(?!\w)").search(self.said.low, begin, end) or filed
