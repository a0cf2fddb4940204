"""Darkroom: an experiment pipeline for image classification.

Importing the package has no side effects: a packaged model carries a copy of this file into the process that serves it.
``environment.prepare`` sets Darkroom's variables, at the entry points of its own processes.
"""
