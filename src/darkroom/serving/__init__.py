"""Use a packaged model: ``predict`` files, ``explain`` predictions, ``server``: predict over HTTP."""
