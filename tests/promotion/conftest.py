"""A tracking store of a module's own; creating one takes seconds, so that all are copies."""

import shutil

import pytest

from darkroom.tracking.store import open_store
from support.finished import once


def create(root):
    root.mkdir()
    (root / "dvc.yaml").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        open_store()


@pytest.fixture(scope="module")
def project_with_store(tmp_path_factory):
    """The folder of a project with an empty store."""
    empty = once(tmp_path_factory, "empty_store", create)
    return shutil.copytree(empty, tmp_path_factory.mktemp("store") / "project")
