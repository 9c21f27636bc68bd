"""Cancellation, fair turns, frames on a pipe, child processes, offline mode."""
