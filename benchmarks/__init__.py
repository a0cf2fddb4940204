"""Measurements reported in the documentation; not tests."""

from darkroom.base import environment

environment.prepare()
