"""Controls who may use the service, and how much: hosts, keys, rates, bodies."""
