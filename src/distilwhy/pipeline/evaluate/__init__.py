"""Score the trained students on the test rows, and report."""
