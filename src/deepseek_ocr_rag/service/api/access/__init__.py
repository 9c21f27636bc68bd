"""Who may use the service, and how much of it: hosts, keys, rates, bodies."""
