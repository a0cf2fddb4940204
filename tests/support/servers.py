"""PostgreSQL, an MLflow server and an S3 store on this machine."""

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

from support.projects import environment

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}


def free_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


def wait_for(url, log):
    # A shared machine may take minutes to import MLflow.
    until = time.monotonic() + 240
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.25)
    raise AssertionError(log.read_text())


class Servers:
    """PostgreSQL, an MLflow server on it, and an S3 store, all on this machine."""

    def __init__(self, folder):
        self.folder, self.processes = folder, []

    def start(self, name, *command, user=None, **variables):
        log = self.folder / f"{name}.log"
        with log.open("w") as out:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment(**variables),
                stdout=out,
                stderr=out,
                start_new_session=True,
                user=user,
            )
        self.processes.append(process)
        return log

    def postgres(self):
        """Start a cluster of its own; PostgreSQL refuses to run as root."""
        user = "postgres" if os.geteuid() == 0 else None
        data, port = self.folder / "postgres", free_port()
        data.mkdir()
        if user:
            shutil.chown(data, user)
        create = [POSTGRES[-1] / "initdb", "-D", data, "-U", "mlflow", "--auth=trust", "--no-sync"]
        subprocess.run(create, check=True, capture_output=True, user=user, cwd="/")
        program, listen = str(POSTGRES[-1] / "postgres"), ("-c", "listen_addresses=127.0.0.1", "-k", "")
        log = self.start("postgres-log", program, "-D", str(data), "-p", str(port), *listen, "-F", user=user)
        ready = [POSTGRES[-1] / "pg_isready", "-q", "-t", "30", "-h", "127.0.0.1", "-p", str(port)]
        for _ in range(120):
            if subprocess.run(ready, check=False).returncode == 0:
                break
            time.sleep(0.25)
        else:
            raise AssertionError(log.read_text())
        return f"postgresql+psycopg2://mlflow@127.0.0.1:{port}/postgres"

    def mlflow(self, backend):
        port = free_port()
        stores = ("--backend-store-uri", backend, "--artifacts-destination", str(self.folder / "artifacts"))
        # Without the processes that wait for MLflow's own jobs, each of which imports it.
        jobs = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        log = self.start("mlflow", "mlflow", "server", *stores, "--port", str(port), "--workers", "1", **jobs)
        wait_for(f"http://127.0.0.1:{port}/health", log)
        return f"http://127.0.0.1:{port}"

    def s3(self):
        port = free_port()
        log = self.start("s3", "moto_server", "-H", "127.0.0.1", "-p", str(port))
        wait_for(f"http://127.0.0.1:{port}/", log)
        return f"http://127.0.0.1:{port}"

    def stop(self):
        for process in reversed(self.processes):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(120)
