"""Export a student to another runtime, if it gives the same labels there."""
