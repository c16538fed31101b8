"""An error in a template names the user's own column, and a way to write it that works."""

import re

import pytest

from distilwhy.core.rows.input_template import InputTemplate
from distilwhy.errors import ConfigError, DataError

NAMES = [
    *("Complaint Text", "complaint-text", "complaint.text", "complaint text (long)"),
    *("고객 문의", "Größe in cm", "Où?", "quoi / qui", "2nd line", "24", "100%", "a & b", "#1"),
    *("price $", "text:", "it's", 'the "real" text', "back\\slash", "is not", "A+B", "true"),
    *("text, old", "e-mail", "x~y", "who@where", "a;b", "t!", "tab\there", "日本語-文"),
]


@pytest.mark.parametrize("name", NAMES)
def test_an_error_names_the_column_that_was_meant_and_how_to_write_it(name: str):
    row = {"id": 1, "a-z": "other", name: "It broke.", "zz-top": "another"}
    with pytest.raises((ConfigError, DataError)) as caught:
        InputTemplate("{{ id }}: {{ " + name + " }}").render(row, "row 1")
    written = re.search(r"row\[.*\]", str(caught.value))
    assert written, str(caught.value)
    assert InputTemplate("{{ " + written[0] + " }}").render(row, "row 1") == "It broke."
    assert repr(name) in str(caught.value) or name in str(caught.value)


@pytest.mark.parametrize("source", ["{{ Complaint Text | trim }}", "{{- Complaint Text -}}"])
def test_filters_and_white_space_are_no_part_of_the_name(source: str):
    with pytest.raises(ConfigError, match=r"write row\[\"Complaint Text\"\]\)$"):
        InputTemplate("{{ id }}" + source)


@pytest.mark.parametrize("source", ["{{ text", "{% if %}", "{{ }}", "{{ 'a' b }}", "{{ row['a' }}"])
def test_other_faults_of_a_template_name_no_column(source: str):
    with pytest.raises(ConfigError) as caught:
        InputTemplate(source)
    assert "row[" not in str(caught.value)


def test_the_longest_of_several_columns_is_meant():
    row = {"text": "a", "text-old": "b", "text-old-2": "c"}
    with pytest.raises(DataError, match=r"\('text-old-2' is written row\[\"text-old-2\"\]\)"):
        InputTemplate("{{ text-old-2 }}").render(row, "row 1")
