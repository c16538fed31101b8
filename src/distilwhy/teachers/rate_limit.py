"""How fast a teacher may be asked."""

from dataclasses import dataclass, field

MINUTE_S = 60.0
LEAST_SLOTS = 1.0


@dataclass
class Bucket:
    """At most so much a minute, evenly: a token bucket that holds a second's worth.

    The clock is given, not read.

    Attributes:
        a_minute: How much of it flows in.
    """

    a_minute: float
    _held: float = 0.0
    _as_of: float = field(default=float("-inf"))

    def wait(self, amount: float, now: float) -> float:
        """Take an amount; seconds to wait until it was there to take."""
        most = self.a_minute / MINUTE_S
        flowed = (now - self._as_of) * self.a_minute / MINUTE_S
        self._held = min(most, self._held + flowed) - amount
        self._as_of = now
        return max(0.0, -self._held * MINUTE_S / self.a_minute)

    def correct(self, amount: float) -> None:
        """Give back what was taken too much, or take what was taken too little."""
        self._held += amount


@dataclass
class Slots:
    """How many calls may be under way: fewer when the endpoint is overrun, then more again.

    Additive increase, multiplicative decrease (Chiu & Jain 1989, *Analysis of the Increase and
    Decrease Algorithms for Congestion Avoidance*): one more after as many good answers as there
    are slots, half as many when told to slow down, once for all the calls then under way.

    Attributes:
        most: Never more than these.
    """

    most: int
    now: float = 0.0
    _deaf_for: int = 0

    def __post_init__(self) -> None:
        self.now = float(self.most)

    @property
    def count(self) -> int:
        """The slots there are."""
        return int(self.now)

    def good(self) -> None:
        """A call was answered."""
        self._deaf_for = max(0, self._deaf_for - 1)
        self.now = min(float(self.most), self.now + 1 / self.now)

    def overrun(self, under_way: int) -> None:
        """A call was turned away for want of room, while so many were under way."""
        if self._deaf_for:
            self._deaf_for -= 1
            return
        self.now = max(LEAST_SLOTS, min(self.now, float(under_way)) / 2)
        self._deaf_for = under_way - 1
