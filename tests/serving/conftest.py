"""What tests of the server share."""

import logging

import pytest


@pytest.fixture
def log(caplog):
    """What the server writes to its log, which is not passed on to the root logger."""
    logger = logging.getLogger("uvicorn.error")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)
