"""The shipped tasks, the generators of their rows, and a scripted teacher."""
