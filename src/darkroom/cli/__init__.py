"""The command ``darkroom``: one module per group of commands. Commands import their dependencies when they run."""

from darkroom.cli.main import main

__all__ = ["main"]
