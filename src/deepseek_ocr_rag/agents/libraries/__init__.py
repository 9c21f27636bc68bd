"""Documents by their ids, for servers of tools."""
