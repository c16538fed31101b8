"""Makes a teacher's text safe to print, in full or in part."""


def printable(text: str) -> str:
    """The text without characters that could control the terminal."""
    spaced = text.expandtabs(4)
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in spaced)


def excerpt(text: str, longest: int) -> str:
    """The text's beginning, and how much was left out."""
    shown = printable(text.strip())
    if len(shown) <= longest:
        return shown
    return f"{shown[:longest].rstrip()} … ({len(shown) - longest:,} more characters)"


def one_line(text: str, longest: int) -> str:
    """The text's beginning, on one line."""
    shown = " ".join(printable(text).split())
    return shown if len(shown) <= longest else shown[:longest].rstrip() + " …"


def minute(at: str) -> str:
    """``2026-01-31T09:05:00+00:00`` → ``2026-01-31 09:05``."""
    return at[:16].replace("T", " ")
