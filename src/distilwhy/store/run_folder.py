"""The folder of one experiment: where its files are, and who may write to it.

    experiment.yaml         the experiment with every default filled in
    ledger.sqlite           every completion of the teacher
    shards/ID.parquet       completions from a cluster, as its workers wrote them
    calls.npz               an index of the calls that the rows need
    daily-budget.json       what was spent before the day on which a server last asked the teacher
    form.json               which endpoints hold their replies to a JSON schema
    annotations/NAME/       ledger, shards and index of another teacher of the study
    students/NAME/          a trained student, with training.json and training.jsonl.
                            NAME is METHOD-seedN, or METHOD-nROWS-seedN on fewer train rows,
                            after STUDENT- if the study gives the student a name, and before
                            @TEACHER if it learns from another teacher of the study
    logs/NAME/              TensorBoard's log of its training, if enabled
    predictions/NAME.json   its answers to the test rows
    predictions/NAME.explained.json  its rationales for rows on which methods differ
    baselines/BASELINE-NAME.json  answers of a trivial baseline beside that student
    results.json            the results
    measured.json           times, sizes, prices and provenance, which differ from run to run
    cases.jsonl             every test row with the teacher's and the students' answers
    report/report.html      the report, with its figures and summary beside it

Everything but the ledger is written under another name and then renamed, so whatever is here is
complete, whenever a command was killed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from distilwhy.core.student_id import StudentId
from distilwhy.core.training_summary import TrainingRecord
from distilwhy.errors import ConfigError, RunError
from distilwhy.store.files import FileIdentity, holds_arrays, read_json, read_jsonl

SUMMARY, LOG, CARD = "training.json", "training.jsonl", "distilwhy.json"
RESOLVED = "experiment.yaml"
RESOLVED_HEADING = "# {} as it was read, with every default\n"
_PARTS = "model.safetensors.index.json"
# The array in calls.npz that says which train rows are held out for validation.
ASIDE = "aside"


class RunFolder:
    """The files of one experiment. The folder is made when it is first locked."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.ledger = self.path / "ledger.sqlite"
        self.shards = self.path / "shards"
        self.call_index = self.path / "calls.npz"
        self.form = self.path / "form.json"
        self.daily_budget = self.path / "daily-budget.json"
        self.results = self.path / "results.json"
        self.measured = self.path / "measured.json"
        self.cases = self.path / "cases.jsonl"
        self.report = self.path / "report"
        self.page = self.report / "report.html"
        self.logs = self.path / "logs"
        self.annotations = self.path / "annotations"

    def student(self, student_id: StudentId) -> Path:
        """The folder of a trained student."""
        return self.path / "students" / student_id.name

    def unfinished(self, student_id: StudentId) -> Path:
        """The folder of a training that is not finished, with its checkpoints."""
        return self.path / "students" / f".{student_id.name}.unfinished"

    def predictions(self, student_id: StudentId) -> Path:
        """A student's answers to the test rows."""
        return self.path / "predictions" / f"{student_id.name}.json"

    def explanations(self, student_id: StudentId) -> Path:
        """A student's rationales for some of the test rows."""
        return self.path / "predictions" / f"{student_id.name}.explained.json"

    def baseline(self, name: str, student_id: StudentId) -> Path:
        """The answers of a trivial baseline that learns what this student does."""
        return self.path / "baselines" / f"{name}-{student_id.name}.json"

    def check_own(self, out: str) -> None:
        """Check that no file here that is not distilwhy's would be overwritten.

        Args:
            out: Where the folder is named, for the message.

        Raises:
            ConfigError: if one would be.
        """
        resolved = self.path / RESOLVED
        names = [RESOLVED] if resolved.exists() and not self.has_resolved else []
        if not (self.ledger.exists() or self.has_resolved or self._has_students):
            written = (
                *(self.form, self.results, self.measured, self.cases),
                *(self.report, self.shards, self.logs),
            )
            names += [file.name for file in written if file.exists()]
            if self.call_index.exists() and not holds_arrays(self.call_index):
                names.append(self.call_index.name)
        if names:
            raise ConfigError(
                f"{out}: {self.path} already holds files that a run would overwrite "
                f"({', '.join(names)}); name another folder in 'out', such as runs/first"
            )

    @property
    def _has_students(self) -> bool:
        """Whether it holds a student, trained or in training."""
        found = (self.path / "students").glob("*")
        return any((one / SUMMARY).exists() or one.name.endswith(".unfinished") for one in found)

    @property
    def has_resolved(self) -> bool:
        """Whether it holds an ``experiment.yaml`` that a run wrote."""
        try:
            with (self.path / RESOLVED).open(encoding="utf-8") as lines:
                first = lines.readline(1000)
        except (OSError, UnicodeDecodeError):
            return False
        opening, closing = RESOLVED_HEADING.split("{}")
        return first.startswith(opening) and first.endswith(closing)

    def training(self, student_id: StudentId) -> TrainingRecord | None:
        """How a student was trained; None where it is not, or its weights are missing or broken.

        Raises:
            RunError: if what is kept of its training cannot be read.
        """
        place = self.student(student_id)
        if (value := read_json(place / SUMMARY)) is None:
            return None
        try:
            record = TrainingRecord.from_json(student_id, value, read_jsonl(place / LOG))
            return record if _has_weights(place) else None
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RunError(
                f"{place}: its training cannot be read ({error!r}); delete it and train again"
            ) from error

    def trained(self, student_id: StudentId) -> TrainingRecord:
        """How a student was trained.

        Raises:
            RunError: if it is not trained, or what is kept of its training cannot be read.
        """
        if (record := self.training(student_id)) is None:
            raise RunError(f"{self.path}: {student_id.label} is not trained; run 'train' first")
        return record

    def family(self, student_id: StudentId) -> str | None:
        """A trained student's family; None where it is not known."""
        try:
            card = read_json(self.student(student_id) / CARD)
        except RunError:  # Said when the student is loaded.
            return None
        return card.get("family") if card else None

    @contextmanager
    def lock_student(self, student_id: StudentId) -> Iterator[None]:
        """Wait until no other process trains this student.

        A worker whose parent was killed ends by itself, so the wait is short.
        """
        place = self.path / "students" / f".{student_id.name}.lock"
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(place):
            yield
        place.unlink(missing_ok=True)

    @contextmanager
    def lock(self) -> Iterator[FileIdentity]:
        """Keep other processes out of this folder. A killed process releases its lock.

        Gives the file that is locked: where it is no longer in place, others are not kept out.

        Raises:
            RunError: if another process holds the lock, or the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".lock", timeout=0)
            lock.acquire()
            locked = FileIdentity.of(self.path / ".lock")
        except Timeout:
            raise RunError(
                f"{self.path}: another distilwhy process is working in this run folder; "
                "wait for it to end, or give this experiment another 'out'"
            ) from None
        except OSError as error:
            raise RunError(
                f"{self.path}: cannot be created or written ({error.strerror}); "
                "give this experiment another 'out'"
            ) from None
        try:
            yield locked
        finally:
            lock.release()


def _has_weights(student: Path) -> bool:
    """Whether a student's folder holds its weights, whole; they are not read."""
    from safetensors import SafetensorError, safe_open

    parts = read_json(student / _PARTS)
    names = set(parts["weight_map"].values()) if parts else {"model.safetensors"}
    files = {student / name for name in names} | set(student.glob("*.safetensors"))
    try:
        for file in files:
            # Its header gives the file's length.
            with safe_open(file, "numpy"):
                pass
    except (OSError, SafetensorError):
        return False
    return True
