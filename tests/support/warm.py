"""A process that has imported the heavy libraries, and forks the stages and commands that the tests run.

A small stage spends nine tenths of its time on imports of TensorFlow, Great Expectations and MLflow, and a DVC command
half of it on its own. ``start`` imports them once, in a server process, and writes the programs ``python``,
``darkroom`` and ``dvc`` into a folder for the tests' PATH. These hand ``python -m pipeline STAGE …``, ``python -c …``,
``darkroom …`` and ``dvc …`` to the server, which forks a process for each: it has the caller's folder, environment,
arguments, parent, process group and standard streams, imports Darkroom from the caller's checkout, and runs until it
ends or its caller dies. Everything else, and everything if there is no server, runs as usual. The server imports no
module of Darkroom, and uses no device of TensorFlow.

Tests that look at what a process imports do not use it. ``DARKROOM_COLD=1 pytest`` runs without it.
"""

import array
import gc
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType

import psutil

LIBRARIES = (
    *("tensorflow", "keras", "mlflow", "great_expectations", "optuna", "albumentations", "matplotlib.pyplot"),
    # What these import when it is needed: a third of the time of a training or an evaluation.
    *("mlflow.pyfunc", "mlflow.store.model_registry.sqlalchemy_store", "mlflow.store.tracking.sqlalchemy_store"),
    *("mlflow.tracing.processor.otel_metrics_mixin", "great_expectations.render.renderer.site_builder"),
    *("matplotlib.backends.backend_agg", "pyarrow.csv", "pyarrow.dataset", "pyarrow.feather", "pyarrow.parquet"),
    *("sklearn.linear_model", "sklearn.manifold"),
    *("filelock", "git", "rich.progress", "tabulate", "tomllib", "tqdm.contrib.concurrent"),
    # With the interpreter that these start; see ``sys.executable`` below.
    *("multiprocessing.spawn", "multiprocessing.resource_tracker"),
    # What DVC imports when it is needed.
    *("dvc.cli.parser", "dvc.repo", "dvc.repo.index", "dvc.repo.graph", "dvc.repo.stage", "dvc.repo.metrics"),
    *("dvc.repo.artifacts", "dvc.repo.brancher", "dvc.repo.datasets", "dvc.repo.experiments", "dvc.repo.open_repo"),
    *("dvc.repo.params", "dvc.repo.plots", "dvc.repo.worktree", "dvc.ui.table", "dvc.utils.diff"),
    *("dvc_data.index.checkout", "dvc_data.index.collect", "dvc_data.index.fetch", "dvc_data.index.push"),
    *(
        "dvc.stage.cache",
        "dvc.cachemgr",
        "dvc.data_cloud",
        "dvc.dirs",
        "dvc.lock",
        "dvc.rwlock",
        "dvc.scm",
        "dvc.daemon",
    ),
    *(
        "dvc.utils.strictyaml",
        "dvc_data.hashfile.db.local",
        "dvc_data.hashfile.status",
        "dvc_render",
        "networkx",
        "psutil",
        "pygit2",
        "pyparsing",
        "ruamel.yaml",
        "zc.lockfile",
    ),
)
SOCKET = "DARKROOM_TESTS_SOCKET"
"""Variable with the name of the server's abstract socket."""
FOLDER = "DARKROOM_TESTS_WARM"
"""Variable with the folder of the programs."""
COLD = ("PYTHONIOENCODING", "PYTHONHASHSEED", "PYTHONWARNINGS", "KERAS_HOME")
"""Variables that Python or a library reads when it starts: where one is set, the program runs as usual."""
PROGRAM = """#!{python} -IS
import array, json, os, socket, sys
name, arguments = os.path.basename(sys.argv[0]), sys.argv[1:]
real = os.path.join({bin!r}, name)
warm = name != "python" or arguments[:1] == ["-c"] or arguments[:2] in (["-m", "pipeline"], ["-m", "dvc"])
# What DVC starts to outlive it.
warm = warm and not {{"daemon", "queue-worker"}} & set(arguments[2:5])
if warm and not any(map(os.environ.get, {cold})) and not any(map(os.isatty, (1, 2))):
    try:
        server = socket.socket(socket.AF_UNIX)
        server.connect("\\0" + os.environ[{socket!r}])
    except (KeyError, OSError):
        pass
    else:
        if "DVC_STAGE" in os.environ:
            import ctypes
            ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG: what a stage asks for ends this process in its place
        wanted = json.dumps([name, arguments, os.getcwd(), dict(os.environ)]).encode()
        streams = array.array("i", [0, 1, 2])
        server.sendmsg([len(wanted).to_bytes(8, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
        server.sendall(wanted)
        code = int(server.recv(8) or b"1")
        if code < 0:
            os.kill(os.getpid(), -code)
        os._exit(code)
os.execv(real, [real, *arguments])
"""


def start(folder):
    """Start the server and write the programs. It listens when its imports are done; until then all runs as usual.

    Args:
        folder: an empty folder for the programs.

    Returns:
        The server; it ends when its standard input is closed.
    """
    if sys.platform != "linux" or os.environ.get("DARKROOM_COLD"):
        return None
    name = f"darkroom-tests-{os.getpid()}"
    for program in ("python", "darkroom", "dvc"):
        file = folder / program
        here = Path(sys.executable).parent
        file.write_text(PROGRAM.format(python=sys.executable, bin=str(here), cold=COLD, socket=SOCKET))
        file.chmod(0o755)
    os.environ[SOCKET], os.environ[FOLDER] = name, str(folder)
    with (folder / "server.log").open("w") as log:
        command = [sys.executable, __file__, name]
        # In a group of its own, which Ctrl-C does not end, and in this session, as its processes' groups have to be.
        return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=log, process_group=0)


def environment(variables):
    """Put the programs in front of the PATH of an environment; unchanged if there is no server."""
    if FOLDER not in os.environ:
        return variables
    return {**variables, "PATH": f"{os.environ[FOLDER]}{os.pathsep}{variables['PATH']}"}


def serve(name):
    """Import the libraries, then fork a process for each connection until standard input is closed."""
    gc.disable()
    for library in LIBRARIES:
        import_module(library)
    # What SQLAlchemy and MLflow do once per process.
    import_module("sqlalchemy.orm").configure_mappers()
    vars(import_module("mlflow.utils.requirements_utils"))["_init_modules_to_packages_map"]()
    # As in the tests' own process; this file's folder is that of the program.
    stores = import_module("stores")
    stores.copy_new_stores(str(Path(os.environ[FOLDER]) / stores.TABLES))
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    gc.enable()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{name}")
        server.listen(64)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while sys.stdin not in (ready := select.select([server, sys.stdin], [], [])[0]):
            connection, _ = ready[0].accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                server.close()
                watch(connection)
            connection.close()


def watch(connection):
    """Run what the caller wants in a child and send its exit code, or minus the signal that killed it.

    If the caller dies, the child is killed.
    """
    length, streams = b"", array.array("i")
    length, ancillary, _, _ = connection.recvmsg(8, socket.CMSG_SPACE(3 * streams.itemsize))
    streams.frombytes(ancillary[0][2])
    wanted = b""
    while len(wanted) < int.from_bytes(length, "big"):
        wanted += connection.recv(1 << 16)
    caller = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    child = os.fork()
    if child == 0:
        connection.close()
        # As the caller, which may have died already, or be of another session.
        with suppress(OSError, psutil.Error):
            parent = psutil.Process(caller).ppid()
            os.getppid = lambda: parent
            os.setpgid(0, os.getpgid(caller))
        run(*json.loads(wanted), streams)
    for stream in (0, 1, 2, *streams):
        os.close(stream)
    ended = os.pidfd_open(child)
    if connection in select.select([connection, ended], [], [])[0]:
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with suppress(OSError):
        connection.send(str(code).encode())
    os._exit(0)


def run(name, arguments, folder, environment, streams):
    """Become the caller's process."""
    warm = Path(os.environ[FOLDER]) / "python"
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    if environment.get("PYTHONUNBUFFERED"):
        sys.stdout.reconfigure(write_through=True)
    given = [place for place in environment.get("PYTHONPATH", "").split(os.pathsep) if place]
    installed = Path(sys.executable).parent
    sys.path[:1] = [folder if name == "python" else str(installed), *given]
    # Darkroom runs DVC as ``sys.executable -m dvc``.
    sys.executable = str(warm)
    try:
        # As Python does when it starts, if the caller's path has one; the server may have imported the system's.
        sys.modules.pop("sitecustomize", None)
        with suppress(ModuleNotFoundError):
            import_module("sitecustomize")
        if name != "python":
            sys.argv = [str(installed / name), *arguments]
            sys.exit(import_module(f"{name}.cli").main())
        option, program, *rest = arguments
        sys.argv = [option, *rest]
        if option == "-c":
            sys.modules["__main__"] = ModuleType("__main__")
            exec(compile(program, "<string>", "exec"), vars(sys.modules["__main__"]))
        else:
            runpy.run_module(program, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as error:
        code = error.code
    except BaseException:  # noqa: BLE001 - as the interpreter does
        sys.excepthook(*sys.exc_info())
        code = 1
    if isinstance(code, str):
        print(code, file=sys.stderr)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    serve(sys.argv[1])
