"""Experiments on networks and trainings: sweep, learning curve, compare, reproduce.

- ``sweep``, ``ladder``: learning-rate sweep
- ``learning_curve``: error against the number of training images
- ``compare``, ``compare_page``: two models on the same test images
- ``reproduce``: repeat a recorded training
- ``label_next``: which unlabelled pictures to label next
- ``anatomy``: the layers of a network
- ``dashboard``: Optuna's dashboard
"""
