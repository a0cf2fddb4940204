"""Passwords and keys: they leave addresses where these come in, and are hidden in all that is shown or recorded."""

import base64
import os
import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote, quote_plus, unquote

from darkroom.base.errors import InputError

HIDDEN = "[hidden]"
USER, PASSWORD, TOKEN = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"
SHORTEST = 6
"""Characters of the shortest value that is hidden wherever it occurs; shorter ones would hide ordinary words."""
LONGEST_USER = 20
"""Characters of the longest user name; what is longer is a token (``https://TOKEN@host``)."""
SECRET_VARIABLE = re.compile(r"(PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL|API_?KEY|ACCESS_?KEY)(_?ID)?$")
"""Names of environment variables that hold a password or key; those that hold a path have other ends."""
LOGIN = re.compile(
    r"""(?:(?<=://)|(?:(?<=https:/)|(?<=http:/)|(?<=ftp:/)|(?<=sql:/))(?!/))"""
    r"""(?:[^\s/?#@:"'<>]*|[^\s/?#@:"'<>]*:(?!\d+[/?#])[^\s"'<>]*)@"""
)
"""User and password in an address: up to the last ``@``, because passwords may contain ``/``, ``@`` and ``%``.

Taken for a path, an address has one slash: ``https:/user:password@host``. Models have one too: ``models:/NAME@ALIAS``.
"""
FIELD = re.compile(
    r"""(?i)((?:[\w.-]*(?:password|passwd|pwd|secret|token|credential|signature|access_?key|api_?key)|(?<=[?&])sig)=)"""
    r"""[^&\s"'<>),;]+"""
)
"""A password or key among an address's options (``?password=…``) or in a database's connection string."""

OPTION = re.compile(rf"://\S*[?&]{FIELD.pattern.removeprefix('(?i)')}", re.IGNORECASE)
"""The same in an address, unlike an argument in code (``connect(token=token)``)."""


class Login(NamedTuple):
    """User and password of an address, decoded; empty where the address has none."""

    user: str
    password: str


NO_LOGIN = Login("", "")


def split_login(address: str) -> tuple[str, Login]:
    """Split an address into the address without user and password, and these.

    A password may contain ``/``, ``@``, ``?`` and ``#``, although they should be written as ``%2F`` and so on.
    """
    scheme, separator, rest = address.partition("://")
    found = LOGIN.match(address, len(scheme) + len(separator)) if separator else None
    if found is None:
        return address, NO_LOGIN
    user, _, password = found.group()[:-1].partition(":")
    return f"{scheme}://{rest[len(found.group()) :]}", Login(unquote(user), unquote(password))


def take_logins(*names: str) -> None:
    """Move user and password from servers' addresses to the environment variables from which MLflow takes them.

    MLflow prints and records the addresses. Those of databases are left as they are, because only they can hold the
    password; ``hide`` hides it.

    Args:
        names: environment variables with addresses of MLflow stores; a login in the first one replaces an earlier one.

    Raises:
        InputError: two addresses have different logins, but MLflow sends the same one to both.
    """
    taken: Login | None = None
    for name in names:
        address = os.environ.get(name, "")
        if not re.match(r"https?://", address, re.IGNORECASE):
            continue
        os.environ[name], login = split_login(address)
        if not any(login):
            continue
        if taken not in {None, login}:
            raise InputError(
                f"{name}: another user or password than in {names[0]}, but MLflow sends the same to both; leave them "
                f"out of the addresses and set {USER} and {PASSWORD}"
            )
        taken = login
        os.environ[USER], os.environ[PASSWORD] = login


def authorization(login: Login = NO_LOGIN) -> dict[str, str]:
    """Return the header with which MLflow logs in to its server; empty without a login.

    Args:
        login: of the server's address; what it lacks comes from the environment, as for MLflow.
    """
    user, password = login.user or os.environ.get(USER, ""), login.password or os.environ.get(PASSWORD, "")
    if user and password:
        return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}
    token = os.environ.get(TOKEN)
    return {"Authorization": f"Bearer {token}"} if token else {}


def hide(text: str, *addresses: str) -> str:
    """Hide passwords and keys in a text: in its addresses, and wherever values known to be secret occur.

    Secret values are those of environment variables such as ``AWS_SECRET_ACCESS_KEY``, and those in the given
    addresses.

    Args:
        text: any text.
        addresses: addresses with passwords that the text may repeat.
    """
    for value in sorted(_values(addresses), key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    return FIELD.sub(rf"\1{HIDDEN}", LOGIN.sub("", text))


def has_login(text: str) -> bool:
    """Return whether a text contains an address with a password or key."""
    users = (found.group() for found in LOGIN.finditer(text))
    return any(":" in user or len(user) > LONGEST_USER for user in users) or bool(OPTION.search(text))


def has_secret(text: str) -> bool:
    """Return whether a text contains an address with a password, or a value known to be secret."""
    return has_login(text) or any(value in text for value in _values(()))


def _values(addresses: tuple[str, ...]) -> Iterator[str]:
    """Yield the secret values, in each form in which libraries write them."""
    known = [value for name, value in os.environ.items() if SECRET_VARIABLE.search(name.upper())]
    for address in addresses:
        known += [split_login(address)[1].password, *map(unquote, re.findall(r"=([^&#]+)", address.partition("?")[2]))]
    for value in known:
        if len(value) >= SHORTEST:
            yield from {value, quote(value), quote(value, safe=""), quote_plus(value), repr(value)[1:-1]}
