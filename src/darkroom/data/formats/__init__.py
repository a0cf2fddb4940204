"""Manifest, samples and array files, shared by all packages of ``data``."""
