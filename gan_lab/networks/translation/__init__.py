"""Networks from image to image, and judges of patches."""
