"""Answers that a reply implies."""
