"""The HTTP formats that teachers speak."""
