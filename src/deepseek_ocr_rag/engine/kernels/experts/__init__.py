"""The mixture of experts: for many tokens and for one."""
