"""Questions and searches over HTTP, and which language models may answer."""
