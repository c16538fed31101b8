"""Train, validation and test rows, and the checks that keep them apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from distilwhy.core.task import Example
from distilwhy.errors import DataError

SplitName = str
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class Splits:
    """The rows of an experiment. ``test`` may be empty; the others may not."""

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]

    def named(self, name: SplitName) -> tuple[Example, ...]:
        """The rows of ``train``, ``validation`` or ``test``."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]

    def all(self) -> tuple[Example, ...]:
        """Every row, split after split."""
        return self.train + self.validation + self.test


def set_aside(
    examples: Sequence[Example], share: float
) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Split a share off for validation: ``(train, validation)``, each in the given order.

    Rows are ranked by a hash of their text, so the choice does not depend on their order, and
    hardly changes when rows are added.
    """
    ranked = sorted(examples, key=lambda e: (sha256(e.text.encode()).digest(), e.id))
    count = min(max(1, round(share * len(examples))), len(examples) - 1)
    chosen = {e.id for e in ranked[:count]}
    kept = tuple(e for e in examples if e.id not in chosen)
    return kept, tuple(e for e in examples if e.id in chosen)


def check_splits(splits: Splits, files: Mapping[SplitName, str]) -> None:
    """Refuse splits that no score could be trusted on.

    Args:
        files: Where the rows of each split come from, for the messages.

    Raises:
        DataError: if an id stands twice, or a test row also stands in train or validation.
    """
    for name in ("train", "validation"):
        if not splits.named(name):
            raise DataError(f"{files[name]}: the {name} split is empty; give it rows")
    seen: dict[str, SplitName] = {}
    for name in SPLITS:
        for example in splits.named(name):
            if example.id in seen:
                raise DataError(
                    f"{files[name]}: id {example.id!r} stands twice (in {seen[example.id]} and "
                    f"in {name}); give each row its own id"
                )
            seen[example.id] = name
    trained = {_content(e): (e.id, name) for name in SPLITS[:2] for e in splits.named(name)}
    for example in splits.test:
        if found := trained.get(_content(example)):
            raise DataError(
                f"{files['test']}: test row {example.id!r} also stands in {found[1]} as "
                f"{found[0]!r}; take it out of one of them"
            )


def _content(example: Example) -> tuple[str, tuple[str, ...]]:
    return " ".join(example.text.split()).lower(), example.options
