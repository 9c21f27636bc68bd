"""Reads documents in other processes, so that a hostile file cannot harm this one."""
