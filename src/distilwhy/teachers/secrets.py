"""Removes API keys and proxy passwords from what is stored or shown."""

import re
from collections.abc import Iterable
from urllib.parse import quote

LONG_SECRET = 16
_MASK = "***"


class Secrets:
    """Removes secrets from what an endpoint or a library says, however they are escaped there.

    An endpoint may repeat a key in any part of a reply. In answers only long secrets are removed:
    short keys, such as "none" and "EMPTY", are also words.
    """

    def __init__(self, secrets: Iterable[str | None] = ()) -> None:
        found = {secret for secret in secrets if secret}
        self._all = _pattern(found)
        self._long = _pattern({secret for secret in found if len(secret) >= LONG_SECRET})

    def redact(self, text: str) -> str:
        """A message without secrets."""
        return self._all.sub(_MASK, text) if self._all else text

    def clean(self, content: bytes, *, is_answer: bool = False) -> bytes:
        """The body of a reply without secrets."""
        pattern = self._long if is_answer else self._all
        if pattern is None:
            return content
        text = content.decode(errors="surrogateescape")
        return pattern.sub(_MASK, text).encode(errors="surrogateescape")


def _pattern(secrets: Iterable[str]) -> re.Pattern[str] | None:
    """Matches any of some secrets, the longest first."""
    forms = ["".join(map(_forms, each)) for each in sorted(secrets, key=len, reverse=True)]
    return re.compile("|".join(forms)) if forms else None


def _forms(character: str) -> str:
    """A pattern of the ways to write a character: as it is, or escaped in JSON or in a URL."""
    # What is escaped again has more backslashes; any number would take quadratic time.
    units = character.encode("utf-16-be")
    hexadecimal = "".join(
        rf"\\\\{{0,7}}u(?i:{units[i : i + 2].hex()})" for i in range(0, len(units), 2)
    )
    percent = "".join(f"%(?i:{byte:02x})" for byte in character.encode())
    plain = re.escape(character)
    quoted = "" if character.isalnum() else rf"\\\\{{0,7}}{plain}|"
    return f"(?:{plain}|{quoted}{hexadecimal}|{percent})"


def forms_of_login(name: str, password: str, written: str) -> set[str]:
    """The forms in which the login of a proxy may appear."""
    both = {written, f"{name}:{password}", f"{quote(name)}:{quote(password)}"}
    return both | {password, quote(password, safe="")} if len(password) > 3 else both
