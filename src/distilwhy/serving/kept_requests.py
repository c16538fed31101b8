"""Keeps rows that were asked about, to annotate next and to measure drift on."""

import json
import logging
import os
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from distilwhy.core.rows.input_template import InputTemplate
from distilwhy.core.rows.template_guard import ROW
from distilwhy.core.stats.comparisons import Prediction
from distilwhy.core.task import Example, Row, RowFormat
from distilwhy.errors import ConfigError
from distilwhy.pipeline.deploy.drift import KEPT
from distilwhy.serving.settings import ServerSettings

log = logging.getLogger(__name__)


class KeptRequests:
    """Appends a share of the rows to a JSONL file, each with the task's fields and the answer.

    The answer is an object of its own, ``distilwhy``, so that a label is never read as gold.

    Args:
        path: The file, readable by its owner alone; several processes may append to it.
        share: How many of the rows are kept, chosen at random.

    Raises:
        ConfigError: if it cannot be opened.
    """

    def __init__(self, path: Path, share: float, row_format: RowFormat) -> None:
        self._path, self._share, self._format = path, share, row_format
        template = InputTemplate(row_format.template)
        self._fields = template.fields
        is_field = template.is_bare and template.paths <= template.fields
        self._whole_name = min(template.fields) if is_field else "input"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigError(
                f"--keep-requests {path}: cannot be written ({error.strerror}); name another file"
            ) from error

    @classmethod
    def open(cls, settings: ServerSettings, row_format: RowFormat) -> Self | None:
        """None if requests are not kept."""
        if settings.keep_requests is None:
            return None
        return cls(settings.keep_requests, settings.keep_share, row_format)

    def add(
        self,
        rows: Sequence[Row],
        examples: Sequence[Example],
        found: Sequence[Prediction],
        sources: Sequence[str],
    ) -> None:
        """Keep a share of some rows.

        Args:
            rows: Their fields; empty where only whole inputs are known, as in a chat.
            found: The student's answers.
            sources: Who answered each row.
        """
        time = datetime.now(UTC).isoformat(timespec="seconds")
        lines = [
            json.dumps(
                {
                    **(self._pick(rows[place]) if rows else self._whole(example)),
                    KEPT: {
                        "label": found[place].label,
                        "confidence": round(found[place].confidence or 0.0, 6),
                        "alone": found[place].alone,
                        "source": sources[place],
                        "time": time,
                    },
                },
                ensure_ascii=False,
            )
            for place, example in enumerate(examples)
            if random.random() < self._share
        ]
        if lines:
            self._append("".join(f"{line}\n" for line in lines))

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _append(self, text: str) -> None:
        """One write, so that processes do not mix their lines; a full disk stops no answer."""
        try:
            os.write(self._file, text.encode(errors="backslashreplace"))
        except OSError as error:
            log.error("%s: requests are not kept (%s)", self._path, error.strerror)

    def _pick(self, row: Row) -> dict[str, object]:
        """The task's own fields of a row, and its id if it has one."""
        if ROW in self._fields:  # The template may read any of them.
            return {name: value for name, value in row.items() if name != self._format.gold}
        names = [*self._fields, self._format.options, self._format.id]
        wanted = {name.partition(".")[0] for name in names if name}
        return {name: value for name, value in row.items() if name in wanted}

    def _whole(self, example: Example) -> dict[str, object]:
        """A row of which only the whole input is known."""
        options = {self._format.options: list(example.options)} if self._format.options else {}
        return {self._whole_name: example.text, **options}
