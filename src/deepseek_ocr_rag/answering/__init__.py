"""Questions and answers with citations."""
