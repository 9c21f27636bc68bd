"""Documents read in processes of their own: what a hostile file breaks is not the caller's."""
