"""What GitHub runs: a pull request, or a branch that somebody chooses, cannot make the project promote."""

import pytest

from darkroom.base.yaml_files import parse_yaml
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


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_secrets_are_those_of_environments(workflow):
    text = workflow.read_text()
    assert "pull_request_target" not in text
    assert "workflow_run" not in text
    for job in parse_yaml(text, workflow.name)["jobs"].values():
        assert "environment" in job or "secrets." not in str(job)
