"""Code copied into every packaged model: decode, resize, predict.

- ``images``: decode images and convert them to one size and colour depth
- ``charts``: draw price charts
- ``classifier``: raw images to labels and probabilities
- ``packaged_model``: the script that MLflow runs to load the model

These modules import only the standard library, NumPy, Pillow and ``base.errors``.
"""
