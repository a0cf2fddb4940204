"""Locate (``results``) and present results: ``pages`` (HTML), ``tables`` (in the terminal), ``figures`` (PNG files)."""
