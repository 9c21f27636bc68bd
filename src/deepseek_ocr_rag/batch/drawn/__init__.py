"""Handles units whose pages are drawn by one process and read by another."""
