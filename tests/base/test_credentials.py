"""Passwords leave addresses where these come in, and are hidden in whatever is shown."""

import base64
import os
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.base import credentials, environment
from darkroom.base.credentials import PASSWORD, TOKEN, USER, hide, split_login
from darkroom.base.errors import InputError
from darkroom.params import read_params
from darkroom.search.study import open_storage, without_credentials
from support.projects import ROOT, edit_params

PASSWORDS = ("hunter2", "pa/ss", "p@ss", "a%40b", "100%", "q?a=1&b", "se:cret#1", "[x]", "/", "@@", "12/34x")


@pytest.fixture
def no_login(monkeypatch):
    for name in (USER, PASSWORD, TOKEN, "MLFLOW_REGISTRY_URI"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.mark.parametrize("encode", [str, lambda text: quote(text, safe="")])
@pytest.mark.parametrize("password", PASSWORDS)
def test_a_login_leaves_the_address_whatever_its_characters(no_login, monkeypatch, password, encode):
    if encode is str and password == "12/34x":
        pytest.skip("user:12/34x@host is an address of the host user by the rules for addresses")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:{encode(password)}@host:5000/path")
    environment.prepare()
    assert os.environ["MLFLOW_TRACKING_URI"] == "http://host:5000/path"
    decoded = "a@b" if (password, encode) == ("a%40b", str) else password
    assert (os.environ[USER], os.environ[PASSWORD]) == ("me", decoded)
    sent = base64.b64decode(credentials.authorization()["Authorization"].removeprefix("Basic ")).decode()
    assert sent == f"me:{decoded}"


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:5000",
        "http://host:5000/a@b",
        "https://host/users/me@example.org",
        "sqlite:////folder/a@b.db",
        "postgresql://me:secret@host/runs",
        "databricks",
    ],
)
def test_other_addresses_stay_as_they_are(no_login, monkeypatch, address):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    environment.prepare()
    assert os.environ["MLFLOW_TRACKING_URI"] == address
    assert USER not in os.environ
    assert credentials.authorization() == {}


def test_two_servers_with_different_logins_are_refused(no_login, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:one@host")
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://me:two@other")
    with pytest.raises(InputError, match=r"^MLFLOW_REGISTRY_URI: another user or password") as raised:
        environment.prepare()
    assert "two" not in str(raised.value).replace("two servers", "")


def test_a_token_logs_in_without_a_password(no_login, monkeypatch):
    monkeypatch.setenv(TOKEN, "abc")
    assert credentials.authorization() == {"Authorization": "Bearer abc"}


@given(
    user=st.from_regex(r"[a-z]{1,8}", fullmatch=True),
    password=st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="'\"<>"), min_size=1),
)
def test_no_part_of_a_login_is_shown(user, password):
    if password.partition("/")[0].isdigit() or password[0] in "/?#":
        password = f"x{password}"
    address = f"postgresql://{user}:{password}@host.example/db"
    shown = hide(f"cannot connect to {address} (refused)")
    assert shown == "cannot connect to postgresql://host.example/db (refused)"
    assert split_login(address)[0] == "postgresql://host.example/db"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://host/?password=secret&x=1", "http://host/?password=[hidden]&x=1"),
        ("postgresql://h/d?user=me&sslpassword=s3", "postgresql://h/d?user=me&sslpassword=[hidden]"),
        (
            "https://s3/x?X-Amz-Signature=abc&X-Amz-Credential=k",
            "https://s3/x?X-Amz-Signature=[hidden]&X-Amz-Credential=[hidden]",
        ),
        ("https://blob/x?sv=1&sig=abc", "https://blob/x?sv=1&sig=[hidden]"),
        ("connection failed: host=h password=s3cret dbname=d", "connection failed: host=h password=[hidden] dbname=d"),
        ("see https://host/docs and mail me@example.org", "see https://host/docs and mail me@example.org"),
        ("significance=0.025, tokens=3", "significance=0.025, tokens=3"),
        ("models:/darkroom@champion", "models:/darkroom@champion"),
        ("https:/me:s3cret@host/x.png does not exist", "https:/host/x.png does not exist"),
        ("set/http:/me:s3/cret@host/x.png", "set/http:/host/x.png"),
        ("C:/me@work/x.png", "C:/me@work/x.png"),
    ],
)
def test_what_is_hidden_in_a_text(text, shown):
    assert hide(text) == shown


@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_PASSWORD", "AWS_SECRET_ACCESS_KEY", "GH_TOKEN", "MY_API_KEY"])
def test_values_of_the_environment_are_hidden_wherever_they_occur(monkeypatch, name):
    monkeypatch.setenv(name, "long/secret")
    assert hide("a long/secret, or long%2Fsecret, in 'long/secret'") == "a [hidden], or [hidden], in '[hidden]'"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("train.mlp.initial_weights", "https://me:s3cret@host/weights.keras"),
        ("train.mlp.initial_weights", "https://host/weights.keras?token=s3cret"),
        ("data.path", "s3://key:s3/cret@bucket/images"),
        ("search.ray.address", "ray://me:s3cret@host:10001"),
    ],
)
def test_params_with_a_password_are_refused(tmp_path, name, value):
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text())
    edit_params(path, {name: value})
    with pytest.raises(InputError, match=rf"params\.yaml: {name}: an address with user or password") as raised:
        read_params(path)
    assert "s3" not in str(raised.value)


@pytest.mark.parametrize("password", ["s3cret", "s3/cret", "s3%40cret"])
def test_a_study_database_is_shown_without_its_password(password):
    address = f"postgresql+nothing://me:{password}@127.0.0.1:9/studies?password={password}x"
    assert without_credentials(address) == "postgresql+nothing://127.0.0.1:9/studies"
    with pytest.raises(InputError) as raised:
        open_storage(address)
    assert "s3" not in str(raised.value)
