"""Whole pipelines that are killed, run out of disk space, or lose their MLflow server, and are run again.

The results must be those of an undisturbed run, and a failure must be one line that says what happened.
"""
