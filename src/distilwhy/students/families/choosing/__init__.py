"""Choosing among labels without writing them out token by token."""
