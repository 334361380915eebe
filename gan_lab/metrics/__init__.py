"""How good samples are: Frechet and kernel distances of features to those of real images."""
