"""Settings that fit a folder of images (``darkroom configure``).

- ``looking``: read what the choices depend on: number, classes, sizes and colours of the images
- ``choosing``: choose each setting, with its reason
- ``writing``: write the settings to params.yaml, with the reasons as comments
"""
