"""What a server allows, and how it batches."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path


@dataclass(frozen=True)
class ServerSettings:
    """The limits of a server.

    Attributes:
        cascade: Whether rows below the threshold of the student's cascade are not answered by the
            student. The teacher answers them, or they come back as ``refer``.
        teacher: The experiment file whose teacher is asked about these; None for no teacher.
        daily_budget: The most that it may cost in a day; None for one that bills nobody.
        api_key: The key that every request must carry; None for none.
        batch_rows: The most rows that the student answers in one pass.
        max_delay: Seconds that a row waits, at most, for others to share its pass while the
            student is idle; 0 turns micro-batching off.
        max_waiting: Rows that may wait; requests beyond get status 429.
        max_wait: Seconds that a row may wait for its pass to begin, going by recent passes;
            requests that would wait longer get status 429.
        max_rows: Rows of one request.
        max_bytes: Bytes of one request's body.
        timeout: Seconds after which a request that is not answered gets status 503.
        keep_requests: A JSONL file to which rows and their answers are appended; None for none.
        keep_share: The share of the rows that is kept there, 0 to 1.
    """

    cascade: bool = False
    teacher: Path | None = None
    daily_budget: Decimal | None = None
    api_key: str | None = None
    batch_rows: int = 64
    max_delay: float = 0.004
    max_waiting: int = 2048
    max_wait: float = 1.0
    max_rows: int = 1024
    max_bytes: int = 2**21
    timeout: float = 30.0
    keep_requests: Path | None = None
    keep_share: float = 1.0
