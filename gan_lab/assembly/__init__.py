"""From configuration to objects: parts, the game, its data source, metrics and trackers."""
