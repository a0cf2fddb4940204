"""Hyperparameter search: ``settings``, ``spaces`` and ``trials`` are light; Optuna is imported in the others alone."""
