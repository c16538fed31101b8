"""A Hugging Face model in this process as the teacher."""
