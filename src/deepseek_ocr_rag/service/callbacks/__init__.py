"""Callbacks: the service posts the end of a job to an address that the job named."""
