"""Games: who plays, and in which order."""
