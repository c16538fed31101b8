"""Loading the students that other runtimes than torch answer for."""

from pathlib import Path

from distilwhy.errors import StudentError, first_line
from distilwhy.model_files import ModelFiles
from distilwhy.students.network import Family, Network
from distilwhy.students.pretrained import Pretrained
from distilwhy.students.spec import StudentSpec


def load_exported(folder: Path, runtime: str, family: Family, spec: StudentSpec) -> Network:
    """An exported student's network.

    Args:
        runtime: The Python package that runs it.

    Raises:
        StudentError: if that is missing or unknown, or the folder cannot be loaded.
    """
    found = Pretrained(str(folder), ModelFiles(str(folder)), without_weights=True)
    try:
        if runtime == "onnxruntime":
            from distilwhy.students.runtimes.onnx import OnnxEncoder

            return OnnxEncoder.load(found, folder, spec)
        if runtime == "ctranslate2":
            from distilwhy.students.runtimes import ctranslate2 as runtimes

            if family == "seq2seq":
                return runtimes.TranslatedSeq2Seq.load(found, folder, spec)
            return runtimes.GeneratedCausal.load(found, folder, spec)
    except ModuleNotFoundError as error:
        raise StudentError(
            f"{folder}: was exported to {runtime}, which needs {error.name}; "
            "pip install 'distilwhy[export]'"
        ) from error
    # A folder may hold anything, and each runtime raises errors of its own.
    except Exception as error:
        raise StudentError(
            f"{folder}: cannot be loaded ({first_line(error)}); export the student again"
        ) from error
    raise StudentError(
        f"{folder}: was exported to {runtime!r}, which this version does not know; update distilwhy"
    )
