"""Measurements whose figures stand in the documentation; not tests."""
