"""What a run leaves on disk: its folder, its checkpoints, and on what it was made."""
