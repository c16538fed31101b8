"""Numbers and arithmetic as text: number words, numbers with their units, and expressions."""
