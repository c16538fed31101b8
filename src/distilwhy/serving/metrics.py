"""What Prometheus reads from a server."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from distilwhy.core.stats.comparisons import Prediction
from distilwhy.core.stats.drift import Profile
from distilwhy.serving.drift import DriftMetrics

CONFIDENCES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The metrics of one server process.

    Args:
        labels: The task's labels; empty where each row has its own options or answers are open,
            which are then counted together.
        validation: What the student answered to validation rows; None if that is not known.
        shared: Whether ``PROMETHEUS_MULTIPROC_DIR`` is set, so that all processes add up.
    """

    def __init__(
        self, labels: Sequence[str], validation: Profile | None = None, *, shared: bool = False
    ) -> None:
        self._labels, self._shared = frozenset(labels), shared
        self._registry = CollectorRegistry()
        own = self._registry
        self.requests = Counter(
            "distilwhy_requests", "Requests by route and status.", ("route", "status"), registry=own
        )
        self.seconds = Histogram(
            "distilwhy_request_seconds",
            "Seconds of a request.",
            ("route",),
            buckets=SECONDS,
            registry=own,
        )
        self.rows = Counter(
            "distilwhy_rows", "Rows by label and source.", ("label", "source"), registry=own
        )
        self.confidence = Histogram(
            "distilwhy_confidence", "Confidence of each label.", buckets=CONFIDENCES, registry=own
        )
        self.batch_rows = Histogram(
            "distilwhy_batch_rows", "Rows that share one pass.", buckets=ROWS, registry=own
        )
        self.batch_seconds = Histogram(
            "distilwhy_batch_seconds", "Seconds of one pass.", buckets=SECONDS, registry=own
        )
        self.waiting = Gauge(
            "distilwhy_waiting_rows", "Rows that wait.", multiprocess_mode="livesum", registry=own
        )
        self._drift = DriftMetrics(validation, own) if validation else None

    def count(self, found: Prediction, source: str) -> None:
        """Count one row that was answered or referred."""
        label = found.label if found.label in self._labels else "other"
        self.rows.labels(label if found.label is not None else "none", source).inc()
        if found.confidence is not None:
            self.confidence.observe(found.confidence)
        if self._drift:
            self._drift.add(found)

    def observe_batch(self, rows: int, seconds: float, waiting: int) -> None:
        """Count one pass of the student, and say how many rows still wait."""
        self.waiting.set(waiting)
        self.batch_rows.observe(rows)
        self.batch_seconds.observe(seconds)

    def render(self) -> bytes:
        """The text that Prometheus reads."""
        if self._drift:
            self._drift.refresh()
        if not self._shared:
            return generate_latest(self._registry)
        everyone = CollectorRegistry()
        MultiProcessCollector(everyone)  # type: ignore[no-untyped-call]
        return generate_latest(everyone)
