"""What is known of an export, as kept in its folder and on its card."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from distilwhy._version import __version__
from distilwhy.core.wording import count, counted, file_size, percent
from distilwhy.pipeline.deploy.export.parity import Parity
from distilwhy.store.files import publish_json

FILE = "export.json"


@dataclass(frozen=True)
class ExportReport:
    """What was exported, and how it compares with the student.

    Attributes:
        runtime: The Python package that runs it; None for torch.
        quantize: The precision of its weights; None for the student's own.
        size: Bytes of its folder; ``student_size``, of the student's.
    """

    format: str
    runtime: str | None
    quantize: str | None
    parity: Parity
    size: int
    student_size: int

    def write(self, folder: Path) -> None:
        """Keep it in the export's folder."""
        package = self.runtime or "transformers"
        value = {
            "format": self.format,
            "quantize": self.quantize,
            "versions": {"distilwhy": __version__, package: version(package)},
            "agreement": self.parity.agreement,
            **asdict(self.parity),
            "size": self.size,
            "student_size": self.student_size,
        }
        publish_json(folder / FILE, value)

    @property
    def lines(self) -> Sequence[str]:
        """It in words, one line for each fact."""
        found = self.parity
        package = self.runtime or "transformers"
        precision = f", {self.quantize}" if self.quantize else ""
        return [
            f"Format: {self.format}{precision}, run by {package} {version(package)}",
            f"Labels: those of the student on {percent(found.agreement)} of "
            f"{counted(found.rows, 'row')}; confidences differ by {found.confidence_gap:.1g} at "
            "most",
            f"Size: {file_size(self.size)}; the student: {file_size(self.student_size)}",
            f"Speed: {count(found.export_speed)} rows a second; the student: "
            f"{count(found.student_speed)}",
        ]
