"""Load images from a source and turn them into arrays on disk.

- ``formats``: manifest, samples and arrays, shared by the others
- ``sources``: list the images of a folder, archive, table, …
- ``ingestion``: decode, measure and resize each image once
- ``validation``: expectations and quarantine
- ``splitting``: near-duplicates and splits
- ``prepared``: packed training images
"""
