"""Tell "the store does not have it" from "the store could not be asked"."""

import errno

import requests
from mlflow.exceptions import MlflowException, RestException

from darkroom.base.errors import InputError

ABSENT = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}
"""MLflow's error codes for what a store does not have."""
UNANSWERED = {
    "BAD_REQUEST",
    "ENDPOINT_NOT_FOUND",
    "PERMISSION_DENIED",
    "REQUEST_LIMIT_EXCEEDED",
    "TEMPORARILY_UNAVAILABLE",
    "UNAUTHENTICATED",
    "UNAVAILABLE",
}
"""MLflow's error codes for a store that fails or refuses."""
NO_FILE = {errno.ENOENT, errno.ENOTDIR, None}
"""Error numbers of a missing file; Keras and MLflow give none."""


class UnansweredError(InputError):
    """The store could not be asked, so it is not known what it has."""


def is_unanswered(error: Exception) -> bool:
    """Return whether an error leaves open what the store has: it fails, refuses, or a file cannot be read."""
    match error:
        case RestException():
            return error.error_code not in ABSENT
        case MlflowException():
            # Of a request without an answer, or with one that is not MLflow's.
            return error.error_code in UNANSWERED or "API request to " in str(error)
        case requests.HTTPError() if error.response is not None:
            return error.response.status_code != requests.codes.not_found
        case requests.RequestException():
            return True
        case OSError():
            return error.errno not in NO_FILE
        case _:
            return False
