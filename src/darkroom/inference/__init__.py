"""Code copied into every packaged model: decode, resize, predict.

- ``metadata``: separate image files from their metadata
- ``decoding``: decode image files, in the one place where Pillow reads them; ``heif``: HEIC files
- ``images``: convert images to one size and number of channels
- ``charts``: draw price charts
- ``views``: average the predictions of several views of an image
- ``neighbours``: distance to a sample of the training images
- ``classifier``: raw images to labels and probabilities
- ``packaged_model``: the script that MLflow runs to load the model

These modules import only the standard library, NumPy, Pillow and ``base.errors``; for HEIC files also pillow-heif.
"""
