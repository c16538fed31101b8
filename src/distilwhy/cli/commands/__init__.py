"""The commands: each parses its options, calls one function of the pipeline and prints."""
