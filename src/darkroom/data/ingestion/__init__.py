"""Decode each image once. ``ingest`` is the entry point, ``ledger`` caches decoded images between runs."""
