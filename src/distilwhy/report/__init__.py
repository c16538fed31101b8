"""Turns results into a page, figures and a summary."""
