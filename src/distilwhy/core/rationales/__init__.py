"""What is taught in place of the teacher's rationales."""
