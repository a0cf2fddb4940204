"""``darkroom check`` on initial weights: whether they can be had, and whether they are those of the results."""

import hashlib
from pathlib import Path

import pytest

from darkroom.base.errors import InputError
from darkroom.maintenance.check_weights import check_weights
from darkroom.networks import PARAMS, weights_file
from darkroom.tracking import initial_network
from darkroom.tracking.record import RunRecord
from support.networks import build


def digest(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def file(project):
    path = Path("begin.keras")
    path.write_bytes(b"first")
    return path


def values(**more):
    return PARAMS["mlp"](initial_weights="begin.keras", **more)


def trained_with(content, name="begin.keras"):
    tags = {weights_file.NAME: name, weights_file.SHA256: digest(content)}
    RunRecord("run", 0.9, 0.1, 1, 1, tags=tags).write("runs/mlp/run.json")


def test_the_file_of_the_results_is_accepted(file):
    check_weights("mlp", values())
    trained_with(b"first")
    check_weights("mlp", values())
    check_weights("mlp", values(initial_weights_sha256=digest(b"first")))
    # DVC trains again, as the parameter is another.
    trained_with(b"other", "other.keras")
    check_weights("mlp", values())
    check_weights("mlp", PARAMS["mlp"]())


def test_another_file_of_that_name_is_noticed(file):
    trained_with(b"first")
    file.write_bytes(b"second")
    was, now = digest(b"first")[:16], digest(b"second")[:16]
    with pytest.raises(InputError) as caught:
        check_weights("mlp", values())
    assert f"another file than mlp was trained with (SHA-256 was {was}, is {now})" in str(caught.value)
    assert f"set initial_weights_sha256: {now} to train with it" in str(caught.value)
    # As told: another parameter, with which DVC trains again.
    check_weights("mlp", values(initial_weights_sha256=now))
    file.write_bytes(b"third")
    with pytest.raises(InputError, match=f"has SHA-256 {digest(b'third')[:16]}, but initial_weights_sha256 is {now}"):
        check_weights("mlp", values(initial_weights_sha256=now))


def test_training_refuses_another_file_too(file):
    model = build("mlp", hidden_units=(4,))
    model.save("begin.keras")
    right = digest(file.read_bytes())
    assert initial_network.initial_network("mlp", values(initial_weights_sha256=right)).count_params()
    assert initial_network.tags("mlp", values()) == {weights_file.NAME: "begin.keras", weights_file.SHA256: right}
    with pytest.raises(InputError, match="another or a damaged file"):
        initial_network.initial_network("mlp", values(initial_weights_sha256="0" * 16))


def test_weights_that_cannot_be_had_are_said_before_anything_runs(project, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"nowhere.keras does not exist; set a file that Darkroom saved"):
        check_weights("mlp", PARAMS["mlp"](initial_weights="nowhere.keras"))
    # Keras's cache is a file, so that nothing can be downloaded into it.
    (tmp_path / "cache").write_text("")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "cache"))
    with pytest.raises(InputError) as caught:
        check_weights("vgg16", PARAMS["vgg16"]())
    assert "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5 cannot be downloaded (" in str(caught.value)
    assert "(MD5 6d6bbae143d832006294945121d1f1fc) into " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_published_weights_that_are_damaged(project, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5").write_bytes(b"half")
    with pytest.raises(InputError, match=rf"its MD5 is {hashlib.md5(b'half').hexdigest()}, expected 6d6bbae1"):
        check_weights("vgg16", PARAMS["vgg16"]())


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"gone.pth: No such file or directory; restore or install the file again"):
        weights_file.sha256(tmp_path / "gone.pth")


def test_a_digest_needs_weights():
    with pytest.raises(ValueError, match="initial_weights_sha256 is set without initial_weights"):
        PARAMS["mlp"](initial_weights_sha256="0" * 16)
