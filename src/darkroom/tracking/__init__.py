"""Write and find MLflow runs.

- ``address``: locate the store and check that it is reachable, without MLflow
- ``store``: open the store, find runs
- ``runs``, ``records``: write a run; log a training
- ``record``, ``seen_images``: run.json; the images that a model has seen
- ``lineage``, ``diff``: commit, dvc.lock, uncommitted changes
- ``opening``, ``packaged_parts``, ``initial_network``: load packaged models and initial weights
- ``ui``: the MLflow UI
"""
