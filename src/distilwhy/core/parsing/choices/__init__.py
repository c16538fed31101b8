"""Choices in a text: by letter, by text, by place or by a verdict on each."""
