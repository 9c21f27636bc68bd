"""The operations as Triton kernels. Importing this needs triton, and running it a GPU or Triton's interpreter."""
