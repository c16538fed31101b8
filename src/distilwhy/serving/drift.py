"""Drift in ``/metrics``: the latest rows against the validation rows."""

from collections import deque
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Gauge

from distilwhy.core.stats.comparisons import Prediction
from distilwhy.core.stats.drift import Profile, TrafficRow, measure_drift

# The rows that are compared with validation.
WINDOW = 1000


class DriftMetrics:
    """Gauges of validation, and of how far the latest rows have moved from it.

    With several processes, the one that is asked for metrics gives its own latest rows.
    """

    def __init__(self, validation: Profile, registry: CollectorRegistry) -> None:
        self._validation, self._registry = validation, registry
        self._latest: deque[TrafficRow] = deque(maxlen=WINDOW)
        share = self._gauge("validation_label_share", "Share of a label on validation.", ("label",))
        for label, count in zip(validation.labels, validation.counts, strict=True):
            share.labels(label).set(count / max(1, validation.rows))
        self._gauge("validation_confidence", "Mean confidence on validation.").set(
            validation.confidence
        )
        if validation.share_referred is not None:
            self._gauge("validation_referred_share", "Share below the threshold.").set(
                validation.share_referred
            )
        self._rows = self._gauge("drift_rows", f"Latest rows compared, up to {WINDOW}.")
        self._psi = self._gauge(
            "drift_psi", "Population stability index against validation.", ("of",)
        )
        self._chance = self._gauge(
            "drift_psi_by_chance", "The index that 5 of 100 such samples exceed.", ("of",)
        )
        self._confidence = self._gauge("drift_confidence", "Mean confidence of the latest rows.")
        self._referred = self._gauge(
            "drift_referred_share", "Share of the latest rows below the threshold."
        )

    def add(self, found: Prediction) -> None:
        """Count one answer of the student."""
        self._latest.append(TrafficRow.of(found))

    def refresh(self) -> None:
        """Set the gauges."""
        self._rows.set(len(self._latest))
        if not self._latest or not self._validation.rows:
            return
        now = self._validation.of(self._latest)
        drift = measure_drift(self._validation, now)
        for name, shift in (("label", drift.labels), ("confidence", drift.confidences)):
            self._psi.labels(name).set(shift.psi)
            self._chance.labels(name).set(shift.chance)
        self._confidence.set(now.confidence)
        if now.share_referred is not None:
            self._referred.set(now.share_referred)

    def _gauge(self, name: str, about: str, labels: Sequence[str] = ()) -> Gauge:
        return Gauge(
            f"distilwhy_{name}",
            about,
            labels,
            registry=self._registry,
            multiprocess_mode="livemostrecent",
        )
