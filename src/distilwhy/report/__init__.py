"""Turns results into a page: the report, its figures and its summary."""
