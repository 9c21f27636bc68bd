"""Configuration and weights: reading, mapping, quantizing."""
