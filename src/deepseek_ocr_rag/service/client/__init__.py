"""The client of the service: a reader whose pages another machine reads."""
