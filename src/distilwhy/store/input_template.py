"""The Jinja template that turns a row's fields into the input."""

from collections.abc import Sequence

import jinja2
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import SandboxedEnvironment

from distilwhy.core.parsing.answer import letter
from distilwhy.errors import ConfigError, DataError
from distilwhy.store.rows import Row, first_line


class InputTemplate:
    """A compiled template.

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
            self._fields = find_undeclared_variables(environment.parse(source))
            self._template = environment.from_string(source)
        except jinja2.TemplateSyntaxError as error:
            raise ConfigError(
                f"task input, line {error.lineno}: {error.message}; correct the template"
            ) from None
        # Every rendering copies the globals, and copying a ChainMap takes three times as long.
        self._template.globals = dict(self._template.globals)

    def render(self, row: Row, where: str) -> str:
        """The input of a row.

        Raises:
            DataError: if the row lacks a field, an expression fails, or the input is empty.
        """
        try:
            if text := self._template.render(row).strip():
                return text
            problem, advice = "its input is empty", "fill its fields or leave the row out"
        except jinja2.UndefinedError as error:
            problem = f"the input template cannot be filled ({error.message})"
            advice = f"the row's fields are {', '.join(sorted(map(str, row)))}"
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            problem = f"the input template cannot be filled ({first_line(error)})"
            advice = "correct it, or the row"
        nulls = sorted(name for name in self._fields if name in row and row[name] is None)
        are_null = f" ({', '.join(nulls)} is null)" if nulls else ""
        raise DataError(f"{where}: {problem}{are_null}; {advice}")


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
