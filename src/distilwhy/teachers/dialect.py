"""Adapts prompts to what an endpoint does not support, as learnt from its errors."""

from distilwhy.core.prompt import Prompt
from distilwhy.teachers.connection import HttpReply
from distilwhy.teachers.wires.failure import read_failure

_REFUSED = range(400, 501)


class Dialect:
    """How prompts are sent to one endpoint, as learnt from its errors.

    Some models, such as Gemma 2, have no system role: the instruction is then sent at the start of
    the first user message. The key of a call does not depend on this.
    """

    def __init__(self) -> None:
        self._has_system = True

    def adapt(self, prompt: Prompt) -> Prompt:
        """The prompt as it is sent."""
        return prompt if self._has_system else prompt.without_system()

    def learn(self, sent: Prompt | None, reply: HttpReply) -> bool:
        """Whether the failed request of this reply may succeed if adapted again.

        Args:
            sent: What was sent; None if it is not known any more.
        """
        had_system = sent is None or sent.messages[0].role == "system"
        if not had_system or reply.status not in _REFUSED:
            return False
        if not read_failure(reply.content).lacks_system_role:
            return False
        self._has_system = False
        return True
