"""The Python in a student's README."""

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from runpy import run_path


def code_in(readme: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", readme, flags=re.S)


def execute(code: str, text: str) -> str:
    """What the code prints, as a module in this folder, for this text in place of its own."""
    own = re.search(r'^text = (".*")$', code, flags=re.M)
    assert own is not None
    Path("snippet.py").write_text(code.replace(own[1], repr(text)), encoding="utf-8")
    with redirect_stdout(StringIO()) as printed:
        run_path("snippet.py")
    return printed.getvalue().removesuffix("\n")
