"""Expectations about images: ``rules`` makes them, ``expectations`` checks them with Great Expectations."""
