"""The three families of students: encoder-decoder, decoder, encoder."""
