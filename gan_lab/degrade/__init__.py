"""What makes the input of a translation from its target: less resolution, less colour, holes."""
