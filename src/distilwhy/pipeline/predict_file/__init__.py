"""Labels files of any size: in constant memory, resumable, here or over Ray."""
