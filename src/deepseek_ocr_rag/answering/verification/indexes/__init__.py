"""What is counted once for all sentences of an answer, and how long comparing them may take."""
