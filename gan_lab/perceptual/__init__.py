"""Networks whose features tell how alike two images look."""
