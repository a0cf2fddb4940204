"""Test whether new images differ from the training data.

- ``comparison``: compare images with a model's training data
- ``permutation``, ``distances``: permutation tests and their statistics
- ``blocks``, ``families``: images that belong together, and how those among new images are found
- ``measures``, ``features``: statistics and embeddings of images
- ``groups``: images with one value of a column, such as one site
- ``arrivals``: read new images
- ``training_data``: compare the training data of two models
- ``page``: the HTML page
"""
