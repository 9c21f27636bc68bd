"""The operations as Triton kernels; running them needs a GPU or Triton's interpreter."""
