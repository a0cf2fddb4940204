"""A clone, a moved folder and a retraining, on a store in the folder and on a server with PostgreSQL and S3. Slow."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import uuid
from pathlib import Path

import pytest

from support import warm
from support.finished import team_of
from support.pictures import draw
from support.projects import Project, Stack, clone, environment, make_team, refusal
from support.servers import KEYS, POSTGRES, Servers

pytestmark = pytest.mark.slow


@pytest.fixture(scope="class")
def server_stack():
    if not POSTGRES:
        pytest.skip("PostgreSQL's server is not installed (Debian: apt-get install postgresql)")
    # Not below pytest's own folder, where nobody but its user may look.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        servers = Servers(Path(folder))
        try:
            tracking_uri, endpoint = servers.mlflow(servers.postgres()), servers.s3()
            bucket = f"darkroom-{uuid.uuid4().hex[:8]}"
            # What S3 understands as "make a bucket".
            urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{bucket}", method="PUT")).close()
            variables = {"MLFLOW_TRACKING_URI": tracking_uri, "AWS_ENDPOINT_URL": endpoint, **KEYS}
            yield Stack("servers", f"s3://{bucket}/dvc", variables)
        finally:
            servers.stop()


def predicted(project):
    return project.run(
        "darkroom", "predict", "--json", "data/raw/a/000.png", "data/raw/b/003.png", stderr=subprocess.DEVNULL
    )


PROMOTE = """
import sys
from pathlib import Path
from darkroom.registry import turns
from darkroom.tracking.store import open_store
open_store()
with turns.promotion_lock("darkroom"):
    print("held", flush=True)
    log = Path(sys.argv[1])
    before = log.read_text() if log.exists() else ""
    import time; time.sleep(0.3)
    log.write_text(before + "one\\n")
"""


def check_new_images(team, tmp_path):
    """They are retrained on, pushed and offered once; this changes everybody's repository."""
    # Someone adds images.
    giver = clone(team, tmp_path / "giver")
    giver.run("dvc", "pull", "--quiet", "data/raw")
    for number in range(100, 110):
        for label in "ab":
            draw(label, number).save(giver.root / f"data/raw/{label}/{number}.png")
    giver.run("dvc", "add", "--quiet", "data/raw")
    giver.commit("more images")
    giver.run("dvc", "push", "--quiet", "data/raw")
    subprocess.run(["git", "push", "--quiet"], cwd=giver.root, check=True)

    worker = clone(team, tmp_path / "worker")
    page = tmp_path / "page.md"
    variables = {"GITHUB_STEP_SUMMARY": str(page), "GITHUB_REF_NAME": "master"}
    printed = worker.run("darkroom", "retrain", "--summary", str(tmp_path / "summary"), **variables)
    assert "Running stage 'ingest'" in printed
    assert "Running stage 'train@mlp'" in printed
    decision = json.loads((worker.root / "reports/promotion.json").read_text())
    if team.stack.local:
        assert decision["withheld"] == "no persistent registry: nothing promoted"
        assert "no persistent registry: nothing promoted" in printed
    else:
        assert decision["withheld"] is None
        assert "as in reports/promotion.json" in worker.run("darkroom", "check", "--registry")
    summary = (tmp_path / "summary/summary.md").read_text()
    assert decision["reason"] in summary
    assert "| Path" in summary
    assert "accuracy" in summary
    assert "xychart-beta" in page.read_text()
    pictures = re.findall(r"!\[.*\]\((.+)\)", summary)
    assert len(pictures) == 2 * len(team.models)
    assert all((tmp_path / "summary" / picture).is_file() for picture in pictures)
    branch = re.search(r"pushed the branch (retrain/\w+)", printed).group(1)

    again = worker.run("darkroom", "retrain", **variables)
    assert "Running stage" not in again
    assert "nothing has changed" in again
    # Nor does another machine that starts from the same commit: but for what is decided anew, in the same way, all
    # comes from DVC's run cache, which has no stage whose outputs persist.
    third = clone(team, tmp_path / "third")
    printed = third.run("darkroom", "retrain", **variables)
    assert set(re.findall(r"Running stage '(.+)':", printed)) <= {
        *("validate", "split", "describe", "promote", "report"),
        *(f"{stage}@{network}" for stage in ("features", "card") for network in team.models),
    }
    assert f"these results are on the branch {branch} already" in printed

    # What was offered is whole: merged and cloned, nothing is left to do.
    merge = ["git", "push", "--quiet", "origin", f"origin/{branch}:refs/heads/master"]
    subprocess.run(merge, cwd=worker.root, check=True)
    merged = clone(team, tmp_path / "merged")
    assert "nothing has changed" in merged.run("darkroom", "retrain", **variables)


class Team:
    """What must hold whatever the stack."""

    def test_a_clone_answers_as_the_original(self, team, tmp_path):
        other = clone(team, tmp_path / "clone")
        other.run("dvc", "pull", "--quiet")
        assert "Running stage" not in other.run("dvc", "repro")
        if team.stack.local:
            assert "darkroom restore" in other.run("darkroom", "predict", "data/raw/a/000.png", code=2)
            printed = other.run("darkroom", "restore")
            assert printed.count(": restored run ") == len(team.models)
            assert "models:/darkroom@champion is version 1" in printed
        assert other.run("darkroom", "restore") == "nothing is missing\n"
        assert predicted(other) == predicted(team)
        assert "as in reports/promotion.json" in other.run("darkroom", "check")
        original, restored = (json.loads(of.run("darkroom", "runs", "--json")) for of in (team, other))
        key = lambda row: row["run"]  # noqa: E731
        assert sorted(original, key=key) == sorted(restored, key=key)
        # A restored run is one to go on with: evaluation finds it by its first id.
        other.run("dvc", "repro", "--force", "--single-item", "evaluate@mlp")
        # Only the cost is measured again, which promotion looks at and the pages state.
        cards = {f"card@{network}" for network in team.models}
        assert set(re.findall(r"Running stage '(.+)':", other.run("dvc", "repro"))) <= {"promote", *cards, "report"}
        assert "Running stage" not in other.run("dvc", "repro")

    def test_a_moved_and_a_copied_folder_open_their_own_models(self, team, tmp_path):
        expected = predicted(team)
        copy = Project.at(tmp_path / "a copy", **team.variables)
        shutil.copytree(team.root, copy.root, symlinks=True)
        hidden = team.root.rename(team.root.with_name("hidden"))
        try:
            assert predicted(copy) == expected
            assert "Running stage" not in copy.run("dvc", "repro")
            copy.run("dvc", "repro", "--force", "--single-item", "evaluate@mlp")
        finally:
            hidden.rename(team.root)
        assert predicted(team) == expected

    def test_promotions_take_turns(self, team, tmp_path):
        log = tmp_path / "log"
        command, variables = ["python", "-c", PROMOTE, str(log)], warm.environment(environment(**team.variables))
        running = [subprocess.Popen(command, cwd=team.root, env=variables) for _ in range(3)]
        assert [process.wait(120) for process in running] == [0, 0, 0]
        assert log.read_text() == "one\n" * 3
        # What a killed one holds is taken from it.
        with subprocess.Popen(
            [sys.executable, "-c", PROMOTE.replace("sleep(0.3)", "sleep(3600)"), str(tmp_path / "other")],
            cwd=team.root,
            env=environment(**team.variables),
            stdout=subprocess.PIPE,
            text=True,
        ) as holder:
            assert holder.stdout.readline() == "held\n"
            holder.kill()
        subprocess.run(command, cwd=team.root, env=variables, check=True, timeout=60)
        assert log.read_text() == "one\n" * 4


class TestLocalStore(Team):
    """Runs and models in each clone's own folder, files in a folder that all can reach."""

    @pytest.fixture(scope="class")
    @classmethod
    def team(cls, finished, tmp_path_factory):
        root = tmp_path_factory.mktemp("local")
        return team_of(finished, root, Stack("local", str(root / "remote")))

    def test_a_changed_parameter_retrains_only_its_network(self, team, tmp_path):
        worker = clone(team, tmp_path / "worker")
        worker.params(train__lenet5__learning_rate=0.003).commit("another rate")
        variables = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_BASE_REF": "master"}
        printed = worker.run("darkroom", "retrain", "--summary", str(tmp_path), **variables)
        ran = re.findall(r"Running stage '(.+)':", printed)
        # The pictures of augmented images depend on all of train, and are as before.
        stages = ["preview", "features@lenet5", "search@lenet5", "train@lenet5", "evaluate@lenet5", "promote"]
        assert ran == [*stages, "card@mlp", "card@lenet5", "report"]
        assert not (worker.root / "data/raw/a").exists(), "no image is needed for this"
        # What depends on all networks' features has seen all of them.
        assert {each.name for each in (worker.root / "data/features").iterdir()} == set(team.models)
        assert "pushed the branch" not in printed
        assert json.loads((worker.root / "reports/promotion.json").read_text())["withheld"]
        assert "learning_rate" in (tmp_path / "summary.md").read_text()

    def test_files_of_the_store_that_are_gone_are_restored(self, team, tmp_path):
        other = clone(team, tmp_path / "clone")
        other.run("dvc", "pull", "--quiet")
        other.run("darkroom", "restore")
        shutil.rmtree(other.root / "mlartifacts")
        assert "darkroom restore" in refusal(other, "predict", "data/raw/a/000.png")
        assert other.run("darkroom", "restore").count("the packaged model of run") == len(team.models)
        assert predicted(other) == predicted(team)
        assert "@champion is version 1, as in reports/promotion.json" in other.run("darkroom", "check")
        assert list((other.root / "mlartifacts").rglob("evaluation/predictions.csv"))
        assert other.run("darkroom", "restore") == "nothing is missing\n"

    def test_restoring_sets_no_alias_that_it_may_not(self, team, tmp_path):
        other = clone(team, tmp_path / "clone")
        other.run("dvc", "pull", "--quiet")
        shared = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'shared.db'}"}
        for variables, why in ((shared, "the store is shared"), ({"DARKROOM_DECIDE_ONLY": "only CI"}, "only CI")):
            for _ in range(2):
                printed = other.run("darkroom", "restore", **variables).splitlines()
                assert f"has no alias champion, and it was not restored ({why})" in printed[-1]
                assert "set it to version 1, run " in printed[-1]
            assert "has no alias champion" in other.run("darkroom", "check", "--registry", code=2, **variables)
        # Where nothing speaks against it, it is set.
        assert "models:/darkroom@champion is version 1" in other.run("darkroom", "restore")

    def test_what_retraining_refuses(self, team, tmp_path):
        worker = clone(team, tmp_path / "worker")
        (worker.root / "params.yaml").write_text((worker.root / "params.yaml").read_text() + "\n# changed\n")
        assert refusal(worker, "retrain").startswith("darkroom retrain: the tree is dirty (params.yaml); commit, stash")
        worker.run("git", "checkout", "--quiet", ".")
        worker.run("dvc", "remote", "remove", "store")
        worker.commit("no remote")
        assert "data/raw does not exist, and there is no DVC remote to pull it from; set DVC_REMOTE_URL" in refusal(
            worker, "retrain"
        )


class TestNewImages:
    """The same with a repository of its own and one network: what is retrained on does not depend on how many."""

    def test_new_images_are_retrained_on_pushed_and_offered_once(self, finished_mlp, tmp_path):
        team = team_of(finished_mlp, tmp_path, Stack("local", str(tmp_path / "remote")))
        check_new_images(team, tmp_path)


@pytest.mark.servers
class TestServers(Team):
    """Runs in PostgreSQL behind an MLflow server, files in S3."""

    @pytest.fixture(scope="class")
    @classmethod
    def team(cls, tmp_path_factory, server_stack):
        return make_team(tmp_path_factory.mktemp("servers"), server_stack, ["mlp"])

    def test_new_images_are_retrained_on_pushed_and_offered_once(self, team, tmp_path):
        # Last: it changes everybody's repository.
        check_new_images(team, tmp_path)
