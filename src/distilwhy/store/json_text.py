"""JSON that is safe to print."""

import json
import re

# Control characters other than tab and newline, line and paragraph separators, bidirectional
# overrides, and unpaired surrogates, which cannot be encoded.
UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def to_json(value: object, indent: int | None = None) -> str:
    """JSON that escapes what could control the terminal and leaves other text as it is."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, default=float)
    return UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
