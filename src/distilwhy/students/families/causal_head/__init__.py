"""Decoder-only students whose label is chosen by a head."""
