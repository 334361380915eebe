"""The training engine: rounds, players and steps for any number of networks; it knows no game."""
