"""The CUDA engine in a process of its own."""
