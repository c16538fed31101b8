"""The three families of students: encoder–decoders, decoders, encoders."""
