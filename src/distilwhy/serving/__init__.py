"""The student over HTTP."""
