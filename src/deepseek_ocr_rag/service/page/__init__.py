"""The service's own web page: its files, and the routes that only it uses."""
