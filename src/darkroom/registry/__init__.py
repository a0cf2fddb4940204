"""Packaged models and their versions in MLflow's model registry.

- ``packages``: package a trained network
- ``versions``: registered versions and aliases
- ``turns``: the promotion lock
- ``queries``, ``records``: files and tags of finished runs; evaluation results
"""
