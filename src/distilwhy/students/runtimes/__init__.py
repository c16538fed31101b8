"""Exported students, which another runtime than torch answers for."""
