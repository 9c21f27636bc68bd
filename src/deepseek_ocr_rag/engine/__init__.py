"""The in-process engine: DeepSeek-OCR in plain PyTorch, with Triton kernels where there is a GPU."""
