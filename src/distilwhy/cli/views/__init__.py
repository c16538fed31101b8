"""What a command prints when it ends, on standard output."""
