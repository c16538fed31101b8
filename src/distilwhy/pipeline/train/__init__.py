"""Train the students of an experiment."""
