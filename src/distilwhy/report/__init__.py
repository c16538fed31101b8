"""Findings in, a page out: the report, its figures and its summary."""
