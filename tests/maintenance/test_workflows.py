"""What GitHub runs: a pull request, or a branch that somebody chooses, cannot make the project promote."""

import re

import pytest

from darkroom.base.yaml_files import parse_yaml
from darkroom.maintenance import retrain
from support.projects import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
READING = {"DVC_REMOTE_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"}


@pytest.fixture(scope="module")
def jobs():
    workflow = ROOT / ".github" / "workflows" / "retrain.yml"
    return parse_yaml(workflow.read_text(), workflow.name)["jobs"]


def variables(job):
    """The environment variables of a job's steps."""
    return {name for step in job["steps"] for name in step.get("env", {})}


def test_pull_requests_have_no_server_and_no_right_to_write(jobs):
    job = jobs["pull-request"]
    assert job["if"] == "github.event_name == 'pull_request'"
    assert job["permissions"] == {"contents": "read"}
    assert job["environment"] == "pull-requests"
    assert variables(job) == READING


def test_only_main_promotes_and_only_with_approval(jobs):
    job = jobs["retrain"]
    assert job["if"] == "github.event_name != 'pull_request' && github.ref == 'refs/heads/main'"
    assert job["environment"] == "promotion"
    assert {"MLFLOW_TRACKING_URI", "GH_TOKEN"} <= variables(job)


MAIN = "refs/heads/main"


@pytest.mark.parametrize(
    ("event", "ref", "expected"),
    [
        ("push", MAIN, ["retrain"]),
        ("schedule", MAIN, ["retrain"]),
        ("workflow_dispatch", MAIN, ["retrain"]),
        ("workflow_dispatch", "refs/heads/feature", []),
        ("workflow_dispatch", "refs/heads/feature/main", []),
        ("workflow_dispatch", "refs/tags/main", []),
        ("push", "refs/heads/main2", []),
        ("pull_request", "refs/pull/7/merge", ["pull-request"]),
        ("pull_request", MAIN, ["pull-request"]),
    ],
)
def test_what_runs_for_which_event(jobs, event, ref, expected):
    def holds(condition):
        """GitHub's expressions of this form are Python's, but for the sign of ``and``."""
        named = condition.replace("github.event_name", repr(event)).replace("github.ref", repr(ref))
        return eval(named.replace("&&", "and"), {"__builtins__": {}})

    assert [name for name, job in jobs.items() if holds(job["if"])] == expected


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_what_others_write_is_no_part_of_a_script(workflow):
    """A branch's name or a title in a script would be run; an action's tag may be moved to other code."""
    read = parse_yaml(workflow.read_text(), workflow.name)
    assert set(read[True] if True in read else read["on"]) <= {"push", "pull_request", "schedule", "workflow_dispatch"}
    for job in read["jobs"].values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step.get("uses", f"a/b@{'0' * 40}"))
            if "checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("event", ["pull_request", "pull_request_target", "pull_request_review"])
def test_no_event_of_a_pull_request_is_offered_or_pushed(monkeypatch, event):
    monkeypatch.setenv("GITHUB_EVENT_NAME", event)
    assert retrain._is_pull_request()  # noqa: SLF001
    monkeypatch.setenv("GITHUB_EVENT_NAME", "push")
    assert not retrain._is_pull_request()  # noqa: SLF001


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_secrets_are_those_of_environments(workflow):
    text = workflow.read_text()
    assert "pull_request_target" not in text
    assert "workflow_run" not in text
    for job in parse_yaml(text, workflow.name)["jobs"].values():
        assert "environment" in job or "secrets." not in str(job)
