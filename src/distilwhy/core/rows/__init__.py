"""How the fields of a row become an example."""
