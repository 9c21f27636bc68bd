"""What operators need: health, metrics, logs and traces."""
