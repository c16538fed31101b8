"""The Jinja template that turns a row's fields into the input."""

from collections.abc import Sequence

import jinja2
from jinja2 import nodes
from jinja2.meta import find_undeclared_variables

from distilwhy.core.parsing.answer import letter
from distilwhy.core.rows.column_names import advise_on_columns, advise_on_outputs
from distilwhy.core.rows.template_guard import (
    ROW,
    GuardedEnvironment,
    is_missing,
    path_of,
    require_whole,
)
from distilwhy.core.task import Row
from distilwhy.errors import ConfigError, DataError, first_line


class InputTemplate:
    """A compiled template.

    Attributes:
        fields: The names of the fields that it reads.
        paths: The paths that it reads, such as ``choices.text``.
        is_bare: Whether it is one field and nothing else, so that the field's value is the input.

    Args:
        source: Jinja over the row's fields, with a filter ``lettered`` for lists of options, and
            the whole row as ``row``, unless a field has that name.

    Raises:
        ConfigError: if it is not valid Jinja.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._environment = GuardedEnvironment(
            undefined=jinja2.StrictUndefined, keep_trailing_newline=False, finalize=_to_text
        )
        self._environment.filters["lettered"] = _lettered
        try:
            tree = self._environment.parse(source)
            names = find_undeclared_variables(tree)
            self.paths = _list_paths(tree, names)
            self.fields = _list_fields(tree, names)
            self.is_bare = _is_one_field(tree)
            self._constants = _list_constants(tree)
            self._template = self._environment.compile_guarded(tree)
        except jinja2.TemplateSyntaxError as error:
            hint = advise_on_outputs(source, self._is_broken)
            raise ConfigError(
                f"task input, line {error.lineno}: {error.message}; correct the template{hint}"
            ) from None
        except (RecursionError, MemoryError, OverflowError):
            raise ConfigError("task input: is nested too deeply; make it simpler") from None
        # Every rendering copies the globals, and copying a ChainMap takes three times as long.
        self._template.globals = dict(self._template.globals)

    def _is_broken(self, part: str) -> bool:
        try:
            self._environment.parse(part)
        except jinja2.TemplateSyntaxError:
            return True
        return False

    def render(self, row: Row, where: str, *, may_be_empty: bool = False) -> str:
        """The input of a row.

        Raises:
            DataError: if the row lacks a field, an expression fails, or the input is empty and
                may not be.
        """
        self._environment.restart()
        try:
            if hidden := self._constants & row.keys():
                raise jinja2.UndefinedError(f"{min(hidden)} is a constant there, not the column")
            text: str = self._template.render({ROW: row, **row}).strip()
            if text or may_be_empty:
                return text
            problem, advice = "its input is empty", "fill its fields or leave the row out"
        except jinja2.UndefinedError as error:
            problem = f"the input template cannot be filled ({error.message})"
            names = sorted(map(str, row))
            advice = f"the row's fields are {', '.join(names)}"
            advice += advise_on_columns(self._source, str(error.message), names)
        except (RecursionError, MemoryError):
            problem = (
                "the input template cannot be filled (it takes too much memory, or has no end)"
            )
            advice = "make it simpler"
        except (
            *(jinja2.TemplateError, TypeError, ValueError, ArithmeticError),
            *(LookupError, AttributeError),
        ) as error:
            problem = f"the input template cannot be filled ({first_line(error)})"
            advice = "correct it, or the row"
        nulls = sorted(name for name in self.fields if name in row and row[name] is None)
        are_null = f" ({', '.join(nulls)} is null)" if nulls else ""
        raise DataError(f"{where}: {problem}{are_null}; {advice}")


def _list_paths(tree: nodes.Template, names: set[str]) -> frozenset[str]:
    """The paths of fields that a template reads."""
    inner = {id(node.node) for node in _list_parts(tree)}
    every = (*tree.find_all(nodes.Name), *_list_parts(tree))
    read = (node for node in every if id(node) not in inner and _base(node) in names)
    return frozenset(filter(None, map(path_of, read)))


def _list_fields(tree: nodes.Template, names: set[str]) -> frozenset[str]:
    """The fields that a template reads, by name or as parts of the row."""
    of_row = [
        path_of(node)
        for node in _list_parts(tree)
        if isinstance(node.node, nodes.Name) and node.node.name == ROW and ROW in names
    ]
    return frozenset(names - ({ROW} if all(of_row) and of_row else set()) | set(of_row) - {""})


def _list_parts(tree: nodes.Template) -> list[nodes.Getattr | nodes.Getitem]:
    return [*tree.find_all(nodes.Getattr), *tree.find_all(nodes.Getitem)]


def _base(node: nodes.Node) -> str:
    """The name that a path begins with."""
    while isinstance(node, nodes.Getattr | nodes.Getitem):
        node = node.node
    return node.name if isinstance(node, nodes.Name) else ""


def _is_one_field(tree: nodes.Template) -> bool:
    """Whether a template is one name, or a path such as ``a.b`` or ``a["b"]``, and white space."""
    outputs = [part for out in tree.body for part in getattr(out, "nodes", [None])]
    parts = [p for p in outputs if not (isinstance(p, nodes.TemplateData) and p.data.isspace())]
    return len(parts) == 1 and isinstance(parts[0], nodes.Name | nodes.Getattr | nodes.Getitem)


def _list_constants(tree: nodes.Template) -> frozenset[str]:
    """The constants that a template writes and that may have been meant as columns."""
    outputs = (part for out in tree.find_all(nodes.Output) for part in out.nodes)
    values = (part.value for part in outputs if isinstance(part, nodes.Const))
    texts = [str(value) for value in values if not isinstance(value, str)]
    return frozenset([*texts, *map(str.lower, texts)])


def _lettered(options: list[str]) -> str:
    """The Jinja filter that lists options, one a line: ``(a) park``."""
    if isinstance(options, str) or not isinstance(options, Sequence):
        raise TypeError(f"'lettered' needs a list, not {options!r}")
    if any(option is None or is_missing(option) for option in options):
        raise ValueError("an option is null or NaN")
    return "\n".join(f"({letter(i)}) {option}" for i, option in enumerate(options))


def _to_text(value: object) -> object:
    """A value as written in the input: nothing for null, as for an empty CSV cell."""
    if isinstance(value, bytes):
        raise ValueError("a value is not UTF-8 text")
    if is_missing(value):
        raise ValueError("a value is NaN")
    require_whole(value)
    return "" if value is None else value
