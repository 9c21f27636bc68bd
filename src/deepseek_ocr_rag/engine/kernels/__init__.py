"""The operations as Triton kernels; to run them needs a GPU or Triton's interpreter."""
