"""How calls reach a teacher: directly, in batches, or from a Ray cluster."""
