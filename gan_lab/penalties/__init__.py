"""Terms and constraints that keep a player well-behaved."""
