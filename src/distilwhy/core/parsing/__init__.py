"""What a teacher's completion says, read without guessing."""
