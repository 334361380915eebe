"""Sets of images, the cache of decoded pixels on disk, and the endless sampler."""
