"""Keeps an input template to what a row says: no NaN, no null as text, no method, no endless loop.

A template is rewritten before it is compiled. Each field that it reads, each value that it makes a
text of and each of its loops passes through one of the filters here. What a template without such a
fault renders stays the same.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from jinja2 import Undefined, nodes
from jinja2.filters import make_attrgetter
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment
from jinja2.visitor import NodeTransformer

MOST_STEPS = 1_000_000
LONGEST = 10_000_000
_WIDEST = 10_000
_LARGEST = 1000

# These would make "None" of a null.
_TEXT_FILTERS = {
    *("trim", "upper", "lower", "capitalize", "title", "replace", "string", "escape", "e"),
    *("forceescape", "indent", "center", "wordwrap", "wordcount", "truncate", "striptags"),
    *("urlize", "urlencode"),
}
# These make as much text as they are told to.
_WIDE_FILTERS = ("center", "indent", "batch", "slice")


def is_missing(value: object) -> bool:
    """Whether a value is NaN, which tables hold where there is nothing."""
    return isinstance(value, float | Decimal) and value != value


class GuardedEnvironment(SandboxedEnvironment):
    """Compiles input templates. A field comes before a method of the same name."""

    intercepted_binops = frozenset(["+", "*", "**", "%"])

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._left = MOST_STEPS
        del self.globals["lipsum"]
        self.filters |= {"_field": _field, "_said": _said, "_said_each": _said_each}
        self.filters |= {"_steps": self._steps, "_short": _short}
        for name in _WIDE_FILTERS:
            self.filters[name] = _narrow(self.filters[name])

    def compile_guarded(self, tree: nodes.Template) -> Any:
        """The template of a tree, which is rewritten."""
        guarded = _Guard().visit(tree)
        guarded.set_environment(self)
        return self.from_string(guarded)

    def restart(self) -> None:
        """Allow all steps again, for another row."""
        self._left = MOST_STEPS

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "**":
            if not all(
                isinstance(side, int | float) and abs(side) <= 1000 for side in (left, right)
            ):
                raise ValueError("a power is too large")
        elif operator == "*":
            sizes = [len(s) for s in (left, right) if isinstance(s, str | list | tuple)]
            counts = [s for s in (left, right) if isinstance(s, int)]
            if sizes and counts and sizes[0] * counts[0] > LONGEST:
                raise ValueError("a text is repeated too often")
        elif operator == "%" and isinstance(left, str):
            _check_widths(left)
            for value in right if isinstance(right, tuple) else (right,):
                _said(value, "a value of '%'")
        return _short(super().call_binop(context, operator, left, right))

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(getattr(__obj, "__self__", None), str | bytes):
            _check_numbers([*args, *kwargs.values()])
        return _short(super().call(__context, __obj, *args, **kwargs))

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        wrapped = super().wrap_str_format(value)
        if wrapped is None:
            return None
        form = value.__self__

        def bounded(*args: Any, **kwargs: Any) -> str:
            _check_widths(form)
            return wrapped(*args, **kwargs)

        return bounded

    def _steps(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            self._left -= 1
            if self._left < 0:
                raise ValueError(f"its loops take more than {MOST_STEPS:,} steps")
            yield value


class _Guard(NodeTransformer):
    """Has fields, nulls and loops pass through the filters of ``GuardedEnvironment``."""

    def visit_Name(self, node: nodes.Name) -> nodes.Expr:
        return _through(node, "_field", path_of(node)) if node.ctx == "load" else node

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Expr:
        return _through(self._inner(node), "_field", path_of(node))

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Expr:
        return _through(self._inner(node), "_field", path_of(node))

    def visit_Call(self, node: nodes.Call) -> nodes.Node:
        node.node = self._inner(node.node)
        node.args = [self.visit(argument) for argument in node.args]
        node.kwargs = [self.visit(argument) for argument in node.kwargs]
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:
        parts = [(path_of(part), self.visit(part)) for part in node.nodes]
        node.nodes = [_through(part, "_said", path) for path, part in parts]
        return _through(node, "_short")

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:
        path = path_of(node.node) if node.node else ""
        self.generic_visit(node)
        if node.node is None:
            return node
        if node.name in _TEXT_FILTERS:
            node.node = _through(node.node, "_said", path)
        elif node.name == "join":
            by = [*node.args[1:2], *(k.value for k in node.kwargs if k.key == "attribute")]
            node.node = _through(node.node, "_said_each", path, *by)
        elif node.name == "map" and node.args and _names_text_filter(node.args[0]):
            node.node = _through(node.node, "_said_each", path)
        elif node.name == "format":
            node.args = [
                _through(argument, "_said", "a value of 'format'") for argument in node.args
            ]
        return node

    def visit_For(self, node: nodes.For) -> nodes.Node:
        self.generic_visit(node)
        node.iter = _through(node.iter, "_steps")
        return node

    def _inner(self, node: nodes.Expr) -> nodes.Expr:
        """A part of a path, or what is called: only the whole is read as a field."""
        if isinstance(node, nodes.Name):
            return node
        if isinstance(node, nodes.Getattr | nodes.Getitem):
            node.node = self._inner(node.node)
            if isinstance(node, nodes.Getitem):
                node.arg = self.visit(node.arg)
            return node
        found: nodes.Expr = self.visit(node)
        return found


def path_of(node: nodes.Node | None) -> str:
    """The path of the field that an expression reads: ``a.b`` also of ``a["b"]`` and
    ``row["a"].b``; "" if it is none."""
    if isinstance(node, nodes.Name):
        return str(node.name)
    if isinstance(node, nodes.Getattr):
        name: object = node.attr
    elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        name = node.arg.value
    else:
        return ""
    outer = path_of(node.node)
    return str(name) if outer == ROW else f"{outer}.{name}" if outer else ""


ROW = "row"


def _through(node: Any, name: str, *arguments: str | nodes.Expr) -> nodes.Filter:
    given = [nodes.Const(a) if isinstance(a, str) else a for a in arguments]
    made = nodes.Filter(node, name, given, [], None, None)
    made.set_lineno(node.lineno)
    return made


def _names_text_filter(node: nodes.Expr) -> bool:
    return isinstance(node, nodes.Const) and node.value in _TEXT_FILTERS


def _field(value: Any, path: str) -> Any:
    if isinstance(value, Undefined):
        return value
    if is_missing(value):
        raise ValueError(f"{path!r} is NaN")
    if callable(value):
        raise ValueError(f"{path!r} is a function of Jinja or Python, not a field")
    return value


def _said(value: Any, path: str) -> Any:
    if value is None:
        raise ValueError(f"{path!r} is null" if path else "a null would be read as a text")
    return _field(value, path)


def _said_each(values: Any, path: str, attribute: Any = None) -> Any:
    if isinstance(values, Undefined | str) or values is None:
        return _said(values, path)
    found = list(values)
    get: Callable[[Any], Any] = lambda item: item  # noqa: E731
    if attribute is not None:
        get = make_attrgetter(_PLAIN, attribute)
    for item in found:
        _said(get(item), f"an item of {path}" if path else "")
    return found


def _short(value: Any) -> Any:
    if isinstance(value, str | list | tuple) and len(value) > LONGEST:
        raise ValueError(f"a text is longer than {LONGEST:,} characters")
    return value


def _narrow(filter_: Callable[..., Any]) -> Callable[..., Any]:
    def narrow(*args: Any, **kwargs: Any) -> Any:
        _check_numbers([*args, *kwargs.values()])
        return filter_(*args, **kwargs)

    return narrow


def _check_numbers(values: Iterable[object]) -> None:
    if any(isinstance(value, int) and abs(value) > _WIDEST for value in values):
        raise ValueError(f"a width is larger than {_WIDEST:,}")


def _check_widths(form: str) -> None:
    digits = "".join(c if c.isdigit() else " " for c in form).split()
    has_nested = "{:{" in form or "*" in form
    if ("%" in form or "{" in form) and (has_nested or any(len(n) > 4 for n in digits)):
        raise ValueError(f"a width is larger than {_WIDEST:,}")


_PLAIN = SandboxedEnvironment()
