"""Mutated inputs of every kind through the code that reads them, in bounded processes.

- ``core``: run a family of inputs; limits of time and memory; what counts as a fault
- ``mutations``: change bytes at random
- one module per family of inputs
"""
