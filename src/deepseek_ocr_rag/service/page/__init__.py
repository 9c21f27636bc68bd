"""The service's own web page: its files, and what only it asks for."""
