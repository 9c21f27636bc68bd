"""The client of the service: reads with it as with a backend of this process."""
