"""Augmentations: what stands in front of the discriminator, for reals and fakes alike."""
