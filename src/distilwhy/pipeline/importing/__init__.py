"""New experiments: a starter, and from the rows, logs and data sets that a user has."""
