"""Hyperparameter search: ``loop`` chooses values, ``objective`` trains a trial, ``executors`` run the trials.

``settings``, ``spaces`` and ``executors`` import neither Optuna nor Keras.
"""
