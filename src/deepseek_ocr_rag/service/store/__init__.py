"""Keeps the service's data folder: jobs, pages and uploads in SQLite and files."""
