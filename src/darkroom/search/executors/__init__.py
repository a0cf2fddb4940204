"""Executors of a search's trials: this process, local worker processes, or the nodes of a Ray cluster."""
