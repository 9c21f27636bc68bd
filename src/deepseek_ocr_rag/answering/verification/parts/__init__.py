"""Splits statements into parts with figures of their own, and finds what each part names."""
