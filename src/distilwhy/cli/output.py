"""Writes lines and JSON, without characters that could control the terminal."""

import json
import re
import sys

# Control characters other than tab and newline, line and paragraph separators, bidirectional
# overrides, and unpaired surrogates, which cannot be encoded.
_UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """The text without characters that could control the terminal."""
    return _UNSAFE.sub("�", text.replace("\r\n", "\n"))


def print_line(line: object) -> None:
    """Print a line to standard output, without wrapping or markup."""
    sys.stdout.write(f"{printable(str(line))}\n")


def print_notice(line: object) -> None:
    """Print a line to standard error."""
    sys.stderr.write(f"{printable(str(line))}\n")


def print_json(value: object) -> None:
    """Print a value as JSON; amounts of money become numbers."""
    sys.stdout.write(to_json(value, indent=2) + "\n")


def to_json(value: object, indent: int | None = None) -> str:
    """JSON that escapes what could control the terminal and leaves other text as it is."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, default=float)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
