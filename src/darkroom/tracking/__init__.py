"""Write and find MLflow runs.

- ``address``, ``server``: locate the store, and ask what it is, without MLflow
- ``store``: open the store, find runs
- ``access``: ask whether runs, files and models can be written
- ``outages``: tell a missing answer from a missing thing
- ``runs``, ``records``: write a run; log a training
- ``record``, ``seen_images``: run.json; the images that a model has seen
- ``lineage``, ``diff``: commit, dvc.lock, uncommitted changes
- ``opening``, ``packaged_parts``, ``initial_network``: load packaged models and initial weights
- ``ui``: the MLflow UI
"""
