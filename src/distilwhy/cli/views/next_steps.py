"""What the demo prints last: commands that try its student, to be run as they are printed."""

import json
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

from distilwhy.cli.output import print_line
from distilwhy.core.method import METHODS
from distilwhy.core.results import Results
from distilwhy.core.rows.input_template import InputTemplate
from distilwhy.core.stats.deployment import DeploymentScore
from distilwhy.core.student_id import StudentId
from distilwhy.pipeline.experiment import Experiment

PORT = 8000
SERVING = ("fastapi", "prometheus_client", "uvicorn")


def print_next_steps(results: Results, experiment: Experiment) -> None:
    """Print how to ask the demo's student, here and over HTTP: the one whose cascade is shown."""
    if len(experiment.config.seeds) == 1:
        print_line("One seed gives no verdict; 'distilwhy demo --study' and '--full' train five.")
    deployed = results.deployed
    method = METHODS[deployed.method if deployed else "step-by-step"]
    student = experiment.folder.student(StudentId(method.name, experiment.config.seeds[0]))
    explains, text = method.writes_rationales, experiment.splits.test[0].text
    print_line(f"Plain transformers: see {student / 'README.md'}")
    options = ["--explain"] if explains else []
    print_line(f"\nTry it: {_join(_program(), 'predict', student, *options, text)}")
    print_line("\nServe it, and ask it from another terminal:")
    if not all(map(find_spec, SERVING)):
        print_line("  pip install 'distilwhy[serve]'")
    print_line(f"  {_join(_program(), 'serve', student, *_options(deployed))}")
    # The input of every shipped task is one field.
    [field] = InputTemplate(experiment.task.row_format.template).fields
    asked = json.dumps({"row": {field: text}, "explain": explains}, ensure_ascii=False)
    address, kind = f"http://127.0.0.1:{PORT}/predict", "Content-Type: application/json"
    print_line(f"  {_join('curl', address, '-H', kind, '-d', asked)}")


def _options(deployed: DeploymentScore | None) -> list[str]:
    cascade = deployed.deployment.cascade if deployed else None
    return ["--cascade"] if cascade and cascade.threshold is not None else []


def _program() -> str:
    """The ``distilwhy`` of this process: by its path if that is in this folder, as in a clone whose
    scripts made the environment, because it need not be active in another terminal."""
    program, here = Path(sys.executable).with_name("distilwhy"), Path.cwd()
    is_here = program.is_file() and program.is_relative_to(here)
    return str(program.relative_to(here)) if is_here else program.name


def _join(*words: object) -> str:
    return shlex.join(map(str, words))
