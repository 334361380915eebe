"""What can be done with the latents of a trained generator: directions, attributes, projections."""
