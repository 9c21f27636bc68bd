"""What runs the reading: this machine, or Ray."""
