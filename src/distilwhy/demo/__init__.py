"""The shipped tasks, their generators and their scripted teacher."""
