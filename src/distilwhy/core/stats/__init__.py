"""Scores, comparisons and curves, with their intervals."""
