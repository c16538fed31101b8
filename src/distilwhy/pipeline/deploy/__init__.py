"""Hand a trained student over: its model card, and its place on the hub."""
