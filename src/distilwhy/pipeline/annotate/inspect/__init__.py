"""What ``distilwhy annotations`` does: look at answers, export them, ask for some again."""
