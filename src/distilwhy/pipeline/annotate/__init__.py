"""Ask the teacher about the rows, and keep and read its answers."""
