"""Refusing a name that is not known."""

import difflib


def unknown(what: str, name: str, known: list[str]) -> str:
    """Says so, with the known name that is nearest to it."""
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"unknown {what} {name!r}; did you mean {close[0]!r}?"
    return f"unknown {what} {name!r}; it must be one of {', '.join(known)}"
