"""Models in: whatever turns prompts into completions."""
