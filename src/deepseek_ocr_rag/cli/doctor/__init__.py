"""Reports what is installed, what works and what to fix."""
