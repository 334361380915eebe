"""Files through a trained model from image to image: what `python -m gan_lab.translate` does."""
