"""The endless stream of batches: order, pixels, and where they lie."""
