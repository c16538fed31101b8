"""Free text as an answer: in a statement, or in a sentence of its own."""
