"""What became of one request to a teacher."""

from dataclasses import dataclass

from distilwhy.core.parsing.completion import Completion


@dataclass(frozen=True)
class CallResult:
    """What became of one request to a teacher.

    Attributes:
        completion: What the teacher returned; one with an error if it refuses this request for
            good. None if there is no answer, and the request may be made again.
        problem: Why there is no completion.
        rate_limited: Whether the endpoint has too much to do.
        over_limit: Whether that is a limit of so much a minute, which passes.
        maybe_billed: Whether the endpoint may have answered, and billed, all the same.
        retry_after_s: How long the endpoint asks to wait before the next try.
        rest_s: For how long the endpoint takes no requests at all, by its headers.
        seconds: How long the request took; for a prompt in a batch, its share of the time. None if
            the teacher did not time it.
    """

    completion: Completion | None = None
    problem: str = ""
    unreachable: bool = False
    rate_limited: bool = False
    over_limit: bool = False
    maybe_billed: bool = False
    retry_after_s: float = 0.0
    rest_s: float = 0.0
    seconds: float | None = None
