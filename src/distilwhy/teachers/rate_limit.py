"""Limits how fast a teacher is asked."""

from dataclasses import dataclass

MINUTE_S = 60.0
MOST_DEBT_MIN = 5.0
LEAST_SLOTS = 1.0


@dataclass
class Bucket:
    """A token bucket: at most so much a minute, evenly. It holds a second's worth."""

    a_minute: float
    _level: float = 0.0
    _as_of: float = float("-inf")

    def wait(self, amount: float, now: float) -> float:
        """Take an amount; returns the seconds to wait until it has flowed in."""
        most = self.a_minute / MINUTE_S
        flowed = (now - self._as_of) * self.a_minute / MINUTE_S
        self._level = min(most, self._level + flowed) - amount
        self._as_of = now
        return max(0.0, -self._level * MINUTE_S / self.a_minute)

    def correct(self, amount: float) -> None:
        """Give back an amount that was taken in excess; negative: take more, but at most what
        flows in within ``MOST_DEBT_MIN``."""
        self._level = max(self._level + amount, min(self._level, -MOST_DEBT_MIN * self.a_minute))


@dataclass
class Slots:
    """How many calls may be under way: fewer when the endpoint is overloaded, then more again.

    Additive increase, multiplicative decrease (Chiu & Jain 1989, *Analysis of the Increase and
    Decrease Algorithms for Congestion Avoidance*): one slot more after as many answers as there
    are slots, and half as many after a call that was rate-limited. Of the calls under way at that
    moment, further ones do not halve them again.
    """

    most: int
    now: float = 0.0
    _ignored: int = 0

    def __post_init__(self) -> None:
        self.now = float(self.most)

    @property
    def count(self) -> int:
        return int(self.now)

    def grow(self) -> None:
        """A call was answered."""
        self._ignored = max(0, self._ignored - 1)
        self.now = min(float(self.most), self.now + 1 / self.now)

    def shrink(self, under_way: int) -> None:
        """A call was rate-limited while so many were under way."""
        if self._ignored:
            self._ignored -= 1
            return
        self.now = max(LEAST_SLOTS, min(self.now, float(under_way)) / 2)
        self._ignored = under_way - 1
