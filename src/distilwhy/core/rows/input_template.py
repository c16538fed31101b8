"""The Jinja template that turns a row's fields into the input."""

from collections.abc import Sequence

import jinja2
from jinja2 import nodes
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import SandboxedEnvironment

from distilwhy.core.parsing.answer import letter
from distilwhy.core.task import Row
from distilwhy.errors import ConfigError, DataError, first_line


class InputTemplate:
    """A compiled template.

    Attributes:
        fields: The names of the fields that it reads.
        is_bare: Whether it is one field and nothing else, so that the field's value is the input.

    Args:
        source: Jinja over the row's fields, with a filter ``lettered`` for lists of options.

    Raises:
        ConfigError: if it is not valid Jinja.
    """

    def __init__(self, source: str) -> None:
        environment = SandboxedEnvironment(
            undefined=jinja2.StrictUndefined, keep_trailing_newline=False, finalize=_to_text
        )
        environment.filters["lettered"] = _lettered
        try:
            tree = environment.parse(source)
            self.fields = frozenset(find_undeclared_variables(tree))
            self.is_bare = _is_one_field(tree)
            self._template = environment.from_string(source)
        except jinja2.TemplateSyntaxError as error:
            raise ConfigError(
                f"task input, line {error.lineno}: {error.message}; correct the template"
            ) from None
        # Every rendering copies the globals, and copying a ChainMap takes three times as long.
        self._template.globals = dict(self._template.globals)

    def render(self, row: Row, where: str, *, may_be_empty: bool = False) -> str:
        """The input of a row.

        Raises:
            DataError: if the row lacks a field, an expression fails, or the input is empty and
                may not be.
        """
        try:
            text = self._template.render(row).strip()
            if text or may_be_empty:
                return text
            problem, advice = "its input is empty", "fill its fields or leave the row out"
        except jinja2.UndefinedError as error:
            problem = f"the input template cannot be filled ({error.message})"
            advice = f"the row's fields are {', '.join(sorted(map(str, row)))}"
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            problem = f"the input template cannot be filled ({first_line(error)})"
            advice = "correct it, or the row"
        nulls = sorted(name for name in self.fields if name in row and row[name] is None)
        are_null = f" ({', '.join(nulls)} is null)" if nulls else ""
        raise DataError(f"{where}: {problem}{are_null}; {advice}")


def _is_one_field(tree: nodes.Template) -> bool:
    """Whether a template is one name, or a path such as ``a.b`` or ``a["b"]``, and white space."""
    outputs = [part for out in tree.body for part in getattr(out, "nodes", [None])]
    parts = [p for p in outputs if not (isinstance(p, nodes.TemplateData) and p.data.isspace())]
    return len(parts) == 1 and isinstance(parts[0], nodes.Name | nodes.Getattr | nodes.Getitem)


def _lettered(options: list[str]) -> str:
    """The Jinja filter that lists options, one a line: ``(a) park``."""
    if isinstance(options, str) or not isinstance(options, Sequence):
        raise TypeError(f"'lettered' needs a list, not {options!r}")
    return "\n".join(f"({letter(i)}) {option}" for i, option in enumerate(options))


def _to_text(value: object) -> object:
    """What stands for a value in the input: nothing for null, as for an empty CSV cell."""
    if isinstance(value, bytes):
        raise ValueError("a value is not UTF-8 text")
    return "" if value is None else value
