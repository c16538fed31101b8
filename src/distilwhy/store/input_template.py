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

        Args:
            where: The row's place, for messages.

        Raises:
            DataError: if the row lacks a field, an expression fails, or the input is empty.
        """
        try:
            text = self._template.render(row).strip()
        except jinja2.UndefinedError as error:
            fields = ", ".join(sorted(map(str, row)))
            raise DataError(
                f"{where}: the input template cannot be filled ({error.message})"
                f"{self._nulls(row)}; the row's fields are {fields}"
            ) from None
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise DataError(
                f"{where}: the input template cannot be filled ({first_line(error)})"
                f"{self._nulls(row)}; correct it, or the row"
            ) from None
        if not text:
            raise DataError(
                f"{where}: its input is empty{self._nulls(row)}; fill its fields or leave the row "
                "out"
            )
        return text

    def _nulls(self, row: Row) -> str:
        """Which fields of the input are null: `` (question is null)``; "" if none is."""
        nulls = sorted(name for name in self._fields if name in row and row[name] is None)
        return f" ({', '.join(nulls)} is null)" if nulls else ""


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
