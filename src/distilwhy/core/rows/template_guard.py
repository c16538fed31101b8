"""Makes an input template fail on NaN, on a null or a method as text, and on endless loops.

A template is rewritten before it is compiled: each field that it reads, each value that it turns
into text and each of its loops passes through one of the filters here. All other templates render
as before.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from jinja2 import Undefined, nodes
from jinja2.filters import make_attrgetter
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment, SandboxedFormatter
from jinja2.visitor import NodeTransformer

# The name of the whole row in a template.
ROW = "row"
MOST_STEPS = 1_000_000
LONGEST = 10_000_000
_WIDEST = 10_000
_LARGEST_POWER = 1000

# These would turn a null into the text "None".
_TEXT_FILTERS = {
    *("trim", "upper", "lower", "capitalize", "title", "replace", "string", "escape", "e"),
    *("forceescape", "indent", "center", "wordwrap", "wordcount", "truncate", "striptags"),
    *("urlize", "urlencode", "pprint", "xmlattr"),
}
# These write as much text as their arguments ask for.
_WIDE_FILTERS = ("center", "indent", "batch", "slice")


def is_missing(value: object) -> bool:
    """Whether a value is NaN, as tables hold for missing values."""
    return isinstance(value, float | Decimal) and value != value


class GuardedEnvironment(SandboxedEnvironment):
    """Compiles input templates. A field comes before a method of the same name."""

    intercepted_binops = frozenset(["+", "*", "**", "%"])

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._left = MOST_STEPS
        del self.globals["lipsum"]
        self.filters |= {
            "_field": _field,
            "_require_value": _require_value,
            "_require_values": _require_values,
        }
        self.filters |= {"_steps": self._steps, "_bounded": _bounded}
        self.policies["json.dumps_kwargs"] = {"sort_keys": True, "allow_nan": False}
        for name in _WIDE_FILTERS:
            self.filters[name] = _with_bounded_width(self.filters[name])

    def compile_guarded(self, tree: nodes.Template) -> Any:
        """Compile a tree, which is rewritten."""
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
            sides = (left, right)
            if not all(isinstance(s, int | float) and abs(s) <= _LARGEST_POWER for s in sides):
                raise ValueError("a power is too large")
        elif operator == "*":
            sizes = [len(s) for s in (left, right) if isinstance(s, str | list | tuple)]
            counts = [s for s in (left, right) if isinstance(s, int)]
            if sizes and counts and sizes[0] * counts[0] > LONGEST:
                raise ValueError("a text is repeated too often")
        elif operator == "%" and isinstance(left, str):
            _check_widths(left)
            for value in _values_of(left, right):
                _require_value(value, "a value of '%'")
        return _bounded(super().call_binop(context, operator, left, right))

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(getattr(__obj, "__self__", None), str | bytes):
            _check_numbers([*args, *kwargs.values()])
        return _bounded(super().call(__context, __obj, *args, **kwargs))

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        if super().wrap_str_format(value) is None:
            return None
        form, formatter, takes_map = value.__self__, _Formatter(self), value.__name__ != "format"

        def bounded(*args: Any, **kwargs: Any) -> str:
            _check_widths(form)
            return formatter.vformat(form, *(((), *args) if takes_map else (args, kwargs)))

        return bounded

    def _steps(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            self._left -= 1
            if self._left < 0:
                raise ValueError(f"its loops take more than {MOST_STEPS:,} steps")
            yield value


class _Formatter(SandboxedFormatter):
    """``str.format`` that fails on a null or NaN."""

    def convert_field(self, value: Any, conversion: Any) -> Any:
        return super().convert_field(_require_value(value, "a value of 'format'"), conversion)


class _Guard(NodeTransformer):
    """Sends fields, nulls and loops through the filters of ``GuardedEnvironment``."""

    def visit_Name(self, node: nodes.Name) -> nodes.Expr:
        return _filtered(node, "_field", path_of(node)) if node.ctx == "load" else node

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Expr:
        return _filtered(self._inner(node), "_field", path_of(node))

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Expr:
        return _filtered(self._inner(node), "_field", path_of(node))

    def visit_Call(self, node: nodes.Call) -> nodes.Node:
        node.node = self._inner(node.node)
        node.args = [self.visit(argument) for argument in node.args]
        node.kwargs = [self.visit(argument) for argument in node.kwargs]
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:
        parts = [(path_of(part), self.visit(part)) for part in node.nodes]
        node.nodes = [_filtered(part, "_require_value", path) for path, part in parts]
        return _filtered(node, "_bounded")

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:
        path = path_of(node.node) if node.node else ""
        self.generic_visit(node)
        if node.node is None:
            return node
        if node.name in _TEXT_FILTERS:
            node.node = _filtered(node.node, "_require_value", path)
        elif node.name == "join":
            by = [*node.args[1:2], *(k.value for k in node.kwargs if k.key == "attribute")]
            node.node = _filtered(node.node, "_require_values", path, *by)
        elif node.name == "map" and node.args and _names_text_filter(node.args[0]):
            node.node = _filtered(node.node, "_require_values", path)
        elif node.name == "format":
            node.node = _filtered(node.node, "_require_value", path)
            node.args = [
                _filtered(argument, "_require_value", "a value of 'format'")
                for argument in node.args
            ]
        return node

    def visit_For(self, node: nodes.For) -> nodes.Node:
        self.generic_visit(node)
        node.iter = _filtered(node.iter, "_steps")
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


def _filtered(node: Any, name: str, *arguments: str | nodes.Expr) -> nodes.Filter:
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


def _require_value(value: Any, path: str) -> Any:
    if value is None:
        raise ValueError(f"{path!r} is null" if path else "a null would be read as a text")
    require_whole(value, path)
    return _field(value, path)


def require_whole(value: Any, path: str = "") -> None:
    """Raise a ValueError if a list or an object that becomes text holds a null, NaN or nothing."""
    if not isinstance(value, Mapping | list | tuple | set | frozenset):
        return
    for item in value.values() if isinstance(value, Mapping) else value:
        if item is None or is_missing(item):
            what = "a null" if item is None else "NaN"
            raise ValueError(f"{path!r} holds {what}" if path else f"a list or object holds {what}")
        if isinstance(item, Undefined):
            str(item)  # raises: it would be written as "Undefined"
        require_whole(item, path)


def _values_of(form: str, right: Any) -> Iterable[Any]:
    """The values that ``form % right`` writes."""
    if isinstance(right, Mapping):
        return [right[name] for name in re.findall(r"%\((.*?)\)", form) if name in right]
    return right if isinstance(right, tuple) else (right,)


def _require_values(values: Any, path: str, attribute: Any = None) -> Any:
    if isinstance(values, Undefined | str) or values is None:
        return _require_value(values, path)
    found = list(values)
    get: Callable[[Any], Any] = lambda item: item  # noqa: E731
    if attribute is not None:
        get = make_attrgetter(_PLAIN, attribute)
    for item in found:
        _require_value(get(item), f"an item of {path}" if path else "")
    return found


def _bounded(value: Any) -> Any:
    if isinstance(value, str | list | tuple) and len(value) > LONGEST:
        raise ValueError(f"a text is longer than {LONGEST:,} characters")
    return value


def _with_bounded_width(filter_: Callable[..., Any]) -> Callable[..., Any]:
    def bounded(*args: Any, **kwargs: Any) -> Any:
        _check_numbers([*args, *kwargs.values()])
        return filter_(*args, **kwargs)

    return bounded


def _check_numbers(values: Iterable[object]) -> None:
    if any(isinstance(value, int) and abs(value) > _WIDEST for value in values):
        raise ValueError(f"a width is larger than {_WIDEST:,}")


def _check_widths(form: str) -> None:
    digits = "".join(c if c.isdigit() else " " for c in form).split()
    has_nested = "{:{" in form or "*" in form
    if ("%" in form or "{" in form) and (has_nested or any(len(n) > 4 for n in digits)):
        raise ValueError(f"a width is larger than {_WIDEST:,}")


_PLAIN = SandboxedEnvironment()
