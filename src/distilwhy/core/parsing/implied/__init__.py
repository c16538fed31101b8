"""Answers that a reply implies without stating them."""
