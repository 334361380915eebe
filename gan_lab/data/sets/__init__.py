"""What can be trained on: one file for each kind of set."""
