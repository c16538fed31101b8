"""The wire format of each kind of endpoint."""

from collections.abc import Mapping

from distilwhy.teachers.wires.anthropic import ANTHROPIC
from distilwhy.teachers.wires.gemini import GEMINI
from distilwhy.teachers.wires.openai import CHAT, COMPLETION
from distilwhy.teachers.wires.wire import Wire

WIRES: Mapping[str, Wire] = {
    "chat": CHAT,
    "completion": COMPLETION,
    "anthropic": ANTHROPIC,
    "gemini": GEMINI,
}
