"""How a template reads columns whose names are no names in Jinja, such as ``Report Text``."""

import json
import re
from collections.abc import Callable, Collection

from distilwhy.core.rows.template_guard import ROW

_OUTPUT = re.compile(r"\{\{[-+]?(.*?)[-+]?\}\}")
_UNDEFINED = re.compile(r"'([^']+)' is undefined")
_LONGEST = 100
_CONSTANTS = ("true", "false", "none")


def write_column(name: str) -> str:
    """How a template reads a column with any name."""
    return f"{ROW}[{json.dumps(name, ensure_ascii=False)}]"


def advise_on_outputs(source: str, is_wrong: Callable[[str], bool]) -> str:
    """How to write the first output, such as ``{{ Report Text }}``, that is wrong; "" if none is.

    Args:
        is_wrong: Whether the text of an output is.
    """
    for found in _OUTPUT.finditer(source[:10_000]):
        name = re.split(r"\s*\|(?!\|)", found[1].strip())[0].strip()
        is_name = any(map(str.isalnum, name)) and name[0] not in "\"'[({"
        if is_name and len(name) <= _LONGEST and f"{ROW}[" not in name and is_wrong(found[0]):
            return f" (if {name!r} is a column, write {write_column(name)})"
    return ""


def advise_on_columns(source: str, problem: str, columns: Collection[str]) -> str:
    """How to write the column that a template means; "" if all names are names in Jinja.

    Args:
        problem: What Jinja says, such as ``'Report' is undefined``.
        columns: The columns of the row.
    """
    undefined = _UNDEFINED.search(problem)
    missing, spelt = undefined[1] if undefined else "", " ".join(source.split())
    odd = [name for name in columns if not name.isidentifier() or name.lower() in _CONSTANTS]
    meant = [name for name in odd if " ".join(name.split()) in spelt]
    near = [name for name in odd if missing and missing in name]
    # Of ``text`` and ``text (old)`` the longer is meant, if both are there.
    ordered = [*sorted(meant, key=len, reverse=True), *near, *odd]
    return f" ({ordered[0]!r} is written {write_column(ordered[0])})" if ordered else ""
