"""Where documents and results are: this machine, object stores, URLs."""
