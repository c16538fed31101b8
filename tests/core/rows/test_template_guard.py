"""What an input template may not make of a row, and what it costs at most."""

import time
from math import nan

import pytest

from distilwhy.core.rows.input_template import InputTemplate
from distilwhy.errors import ConfigError, DataError

ORDER = {"items": ["a", "b"], "keys": "k", "values": 3, "get": "g", "note": None, "price": nan}
ROW = {
    "order": ORDER,
    "text": "It broke.",
    "empty": None,
    "score": nan,
    "list": ["a", None],
    "score_list": [1.0, nan],
    "Report Text": "A report.",
    "a-b": "hyphen",
}


def render(source: str) -> str:
    return InputTemplate(source).render(ROW, "t.jsonl row 3")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ order.items }}", "['a', 'b']"),
        ("{{ order.keys }} {{ order.values }} {{ order.get }}", "k 3 g"),
        ("{{ order['items'] | join(', ') }}", "a, b"),
        ("{% for item in order.items %}{{ loop.index }}{{ item }}{% endfor %}", "1a2b"),
        ('{{ row["Report Text"] }} {{ row["a-b"] | upper }}', "A report. HYPHEN"),
        ("{{ text }}{{ empty }}", "It broke."),
        ("{{ text ~ '!' }} {{ 'x' * 3 }} {{ range(3) | join }}", "It broke.! xxx 012"),
        ("{{ empty or text }} {{ empty | default('no', true) }}", "It broke. no"),
        ("{{ missing | default('none') }} {{ missing is defined }}", "none False"),
        ("{% if empty is none %}none{% endif %}", "none"),
        ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(text) }}", "<It broke.>"),
        ("{{ list | select | join }} {{ text.upper() }} {{ text[:2] }}", "a IT BROKE. It"),
        ("{% set x = text %}{{ x }} {{ loop is defined }}", "It broke. False"),
        ("{{ list | tojson }}", '["a", null]'),
        ("{{ '{keys}'.format(**order) }} {{ '%(get)s' % order }}", "k g"),
        ("{{ '{:>3}|{!r}'.format('a', 'b') }} {{ '{x}'.format_map({'x': 1}) }}", "a|'b' 1"),
        ("{{ [1, [text]] }} {{ (1, 2) }}", "[1, ['It broke.']] (1, 2)"),
    ],
)
def test_a_template_without_a_fault_says_what_it_said(source: str, expected: str):
    assert render(source) == expected


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("{{ score }}", "'score' is NaN"),
        ("{{ order.price }}", "'order.price' is NaN"),
        ("{{ score ~ text }}", "'score' is NaN"),
        ("{{ empty | trim }}", "'empty' is null"),
        ("{{ order.note | upper }}", "'order.note' is null"),
        ("{{ text ~ empty }}", "'empty' is null"),
        ("{{ list | join(', ') }}", "an item of list' is null"),
        ("{{ list | map('upper') | join }}", "is null"),
        ("{{ '%s' % empty }}", "is null"),
        ("{{ '%s' | format(empty) }}", "is null"),
        ("{{ list | lettered }}", "an option is null"),
        ("{{ list }}", "a list or object holds a null"),
        ("{{ order }}", "a list or object holds a null"),
        ("{{ {'a': [score_list]} }}", "holds NaN"),
        ("{{ [text, empty] }}", "a list or object holds a null"),
        ("{{ text, missing }}", "'missing' is undefined"),
        ("{{ list | string }}", "'list' holds a null"),
        ("{{ list | pprint }}", "'list' holds a null"),
        ("{{ list ~ text }}", "'list' holds a null"),
        ("{{ score_list | last }}", "is NaN"),
        ("{{ score_list | tojson }}", "not JSON compliant"),
        ("{{ '{}'.format(empty) }}", "a value of 'format'. is null"),
        ("{{ '{x}'.format_map({'x': empty}) }}", "a value of 'format'. is null"),
        ("{{ '{price}'.format(**order) }}", "a value of 'format'. is NaN"),
        ("{{ '%(note)s' % order }}", "a value of '%'. is null"),
        ("{{ empty | format }}", "'empty' is null"),
        ("{{ order.pop }}", "'order.pop' is a function of Jinja or Python, not a field"),
        ("{{ text.upper }}", "'text.upper' is a function"),
        ("{{ range }}{{ text }}", "'range' is a function"),
        ("{{ range ~ text }}", "'range' is a function"),
        ("{{ lipsum(n=100000) }}", "'lipsum' is undefined"),
        ("{{ Report }}", r"'Report Text' is written row\[\"Report Text\"\]"),
    ],
)
def test_what_is_no_text_of_the_row_is_named(source: str, problem: str):
    with pytest.raises(DataError, match=rf"^t\.jsonl row 3: .*{problem}") as caught:
        render(source)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ 'a' * 10**10 }}",
        "{{ 'a' * 10000000000 }}",
        "{{ [1] * 10000000000 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ 9 ** 99999 }}",
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% set n = namespace(x='aaaa') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}"
        "{% endfor %}{{ n.x }}",
        "{% set n = namespace(x='aaaa') %}{% for i in range(99) %}{% set n.x = n.x + n.x %}"
        "{% endfor %}{{ n.x }}",
        "{{ 'a' | center(10000000000) }}",
        "{{ 'a'.ljust(10000000000) }}",
        "{{ '%10000000000d' % 1 }}",
        "{{ '{:10000000000}'.format(1) }}",
        "{{ 'a' | indent(10000000000) }}",
        "{{ [1] | batch(1000000000, 'x') | list }}",
        "{{ 'x' | wordwrap(1) }}{{ range(10000000000) }}",
        "{{" + "(" * 3000 + "text" + ")" * 3000 + "}}",
    ],
)
def test_no_template_takes_all_time_or_memory(source: str):
    started = time.monotonic()
    with pytest.raises((DataError, ConfigError)) as caught:
        render("{{ text }}" + source)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - started < 20


def test_the_fields_of_a_template_are_known():
    template = InputTemplate("{{ a.b }} {{ row['c d'] }} {% for x in e %}{{ x.y }}{% endfor %}")
    assert template.fields == {"a", "c d", "e"}
    assert template.paths == {"a.b", "c d", "e"}
