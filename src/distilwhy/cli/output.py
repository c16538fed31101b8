"""Writes lines and JSON, without characters that could control the terminal."""

import sys

from distilwhy.store.json_text import UNSAFE, to_json


def printable(text: str) -> str:
    """The text without characters that could control the terminal."""
    return UNSAFE.sub("�", text.replace("\r\n", "\n"))


def print_line(line: object) -> None:
    """Print a line to standard output, without wrapping or markup."""
    sys.stdout.write(f"{printable(str(line))}\n")


def print_notice(line: object) -> None:
    """Print a line to standard error."""
    sys.stderr.write(f"{printable(str(line))}\n")


def print_json(value: object) -> None:
    """Print a value as JSON; amounts of money become numbers."""
    sys.stdout.write(to_json(value, indent=2) + "\n")
