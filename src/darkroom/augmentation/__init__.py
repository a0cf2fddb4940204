"""Random variations of training images, with NumPy and albumentations: see ``augmenter``."""
