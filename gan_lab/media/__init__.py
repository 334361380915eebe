"""Images as bytes, and pictures as files."""
