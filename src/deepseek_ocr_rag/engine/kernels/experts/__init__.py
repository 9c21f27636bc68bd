"""The mixture of experts: for many tokens, for a few, and for one."""
