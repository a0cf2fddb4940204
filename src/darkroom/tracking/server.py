"""Ask an MLflow server what it is, before any work. MLflow itself is not imported, so the answer comes at once."""

import json
import os
import re
from http import HTTPStatus
from importlib import metadata
from typing import NamedTuple

import requests

from darkroom.base.credentials import PASSWORD, USER, authorization, split_login
from darkroom.base.errors import InputError

ANSWER_WITHIN = 5.0  # seconds
VERSION = re.compile(r"(\d+)\.\d+(\.\w+)*\s*")
"""What MLflow answers at ``/version``."""
CONNECTION = re.compile(r"^(<.*?>|HTTPS?Connection\(.*?\)): ")
"""What urllib3 puts before a reason."""
LOGIN = f"if it needs a login, set {USER} and {PASSWORD}"
OWN_LOGIN = ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4")
"""Variables that choose a login which only MLflow itself can perform."""
SHOWN = 120  # characters of an answer in a message
READ = 65536  # bytes read of an answer


class _Answer(NamedTuple):
    status: int
    reason: str
    text: str
    """Its beginning."""

    @property
    def ok(self) -> bool:
        return self.status == HTTPStatus.OK


def check(uri: str, shown: str) -> None:
    """Check that an address is an MLflow server of this MLflow's major version.

    Args:
        uri: its address.
        shown: the same without a password, for messages.

    Raises:
        InputError: nothing answers, a login is missing, or what answers is no such server.
    """
    if "#" in uri or "?" in uri:
        raise InputError(f"MLFLOW_TRACKING_URI: {shown} names a page; set it to the server's address, up to # or ?")
    answer = _get(uri, "/version", shown)
    if answer.ok and VERSION.fullmatch(answer.text):
        _require_version(answer.text.strip(), shown)
    elif answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        if not any(map(os.environ.get, OWN_LOGIN)):
            raise InputError(f"MLFLOW_TRACKING_URI: {shown} refuses access ({_words(answer)}); {LOGIN}")
    elif answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise InputError(
            f"MLFLOW_TRACKING_URI: {shown} answers, but not as an MLflow server at work ({_words(answer)}); look at "
            "the server and the proxy before it"
        )
    elif answer.ok or not _speaks_mlflow(uri, shown):
        # A page for people, such as another program's, a login's, or a proxy's.
        raise InputError(
            f"MLFLOW_TRACKING_URI: {shown} is no MLflow server ({_words(answer)}); correct the address, or unset the "
            "variable to use the local store"
        )


def _require_version(found: str, shown: str) -> None:
    installed = metadata.version("mlflow")
    own = installed.partition(".")[0]
    if found.partition(".")[0] == own:
        return
    raise InputError(
        f"MLFLOW_TRACKING_URI: {shown} is MLflow {found}, but Darkroom needs a server of MLflow {own}; upgrade the "
        f"server to {installed}, or use another"
    )


def _speaks_mlflow(uri: str, shown: str) -> bool:
    """Whether a server without ``/version``, such as a hosted one, answers like MLflow nevertheless."""
    answer = _get(uri, "/api/2.0/mlflow/experiments/get-by-name?experiment_name=darkroom", shown)
    try:
        return isinstance(json.loads(answer.text), dict)
    except (ValueError, RecursionError):
        return False


def _get(uri: str, path: str, shown: str) -> "_Answer":
    """Send a request as MLflow would: its login, its certificates, the environment's proxies.

    Raises:
        InputError: nothing answers.
    """
    try:
        plain, login = split_login(uri)
        with requests.get(
            plain.rstrip("/") + path,
            headers=authorization(login),
            verify=_verification(),
            cert=os.environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH"),
            timeout=ANSWER_WITHIN,
            stream=True,
        ) as answer:
            text = next(answer.iter_content(READ), b"").decode("utf-8", "replace")
            return _Answer(answer.status_code, answer.reason, text)
    except requests.exceptions.SSLError as error:
        raise InputError(
            f"MLFLOW_TRACKING_URI: the certificate of {shown} is not trusted ({_cause(error)}); name the file with it "
            "in MLFLOW_TRACKING_SERVER_CERT_PATH, or add it to the system's certificates"
        ) from None
    except (requests.RequestException, OSError, ValueError) as error:
        raise InputError(
            f"MLFLOW_TRACKING_URI: no MLflow server answers at {shown} ({_cause(error)}); start it, correct the "
            "address, or unset the variable to use the local store"
        ) from None


def _verification() -> bool | str:
    """Return the certificates to trust, from the environment variables that MLflow reads; True for the default ones."""
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in {"true", "1"}:
        return False
    return os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or True


def _cause(error: BaseException) -> str:
    """Return the innermost reason of a failed request, without the address."""
    while error.args and isinstance(error.args[-1], BaseException):
        error = error.args[-1]
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return _cause(reason)
    return CONNECTION.sub("", str(error))[:SHOWN] or type(error).__name__


def _words(answer: "_Answer") -> str:
    """Return the status of an answer, and its text if that is a short line."""
    text = answer.text.strip()
    short = len(text) <= SHOWN and "<" not in text and text.isprintable()
    return f"{answer.status} {answer.reason}{f': {text}' if text and short else ''}"
