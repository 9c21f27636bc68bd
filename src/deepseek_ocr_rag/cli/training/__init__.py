"""The commands of fine-tuning."""
