"""Write the report of a run from the files in its folder."""

from pathlib import Path

from distilwhy.report.figures import draw_figures
from distilwhy.report.page import render_page
from distilwhy.report.summary import render_summary
from distilwhy.store.files import publish_bytes, publish_text
from distilwhy.store.results import read_cases, read_results
from distilwhy.store.run_folder import RunFolder

SUMMARY = "summary.md"


def write_report(folder: RunFolder) -> Path:
    """Write the page, its figures and a summary in Markdown; return the page's path.

    It reads only ``results.json``, ``measured.json`` and ``cases.jsonl``.

    Raises:
        RunError: if there are no results yet, or they cannot be read.
    """
    results = read_results(folder)
    for name, content in draw_figures(results):
        publish_bytes(folder.report / name, content)
    publish_text(folder.report / SUMMARY, render_summary(results))
    publish_text(folder.page, render_page(results, read_cases(folder)))
    return folder.page
