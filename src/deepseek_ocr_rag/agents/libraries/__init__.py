"""Gives servers of tools access to documents by their ids."""
