"""Environment variables of Darkroom's own processes.

Every entry point (stages, command, worker processes, Ray nodes, benchmarks, tests) calls ``prepare`` before it imports
a library that reads these variables. Subprocesses inherit them. A process that only loads a packaged model does not
import this module and keeps its environment.
"""

import getpass
import io
import locale
import os
import re
import ssl
import sys
import tempfile
import warnings
from pathlib import Path

from darkroom.base import credentials, project, terminal

FORCED = {
    # No telemetry, no update checks.
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "NO_ALBUMENTATIONS_UPDATE": "1",
    # Layers, optimizers and device strategies are written for TensorFlow.
    "KERAS_BACKEND": "tensorflow",
    # Figures are files. A notebook names a backend for itself, which its subprocesses need not have.
    "MPLBACKEND": "agg",
    # File names and texts are UTF-8, whatever the locale; see ``use_utf8``.
    "PYTHONUTF8": "1",
}
"""Always set, even if the user's shell has other values."""
DEFAULTS = {
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # Fail within seconds, not after minutes of retries, if the MLflow server does not respond.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    # Arrow's default allocator requests huge pages, which are slow to obtain on some virtual machines: short-lived
    # tables took up to four times as long.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
"""Set unless the user's shell sets them."""
REMOVED = (
    # MLflow would write into this run or experiment instead of Darkroom's, or add these tags to every run.
    "MLFLOW_RUN_ID",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_RUN_CONTEXT",
    "MLFLOW_ACTIVE_MODEL_ID",
    "_MLFLOW_ACTIVE_MODEL_ID",
    # MLflow would lose what it has not logged when the process ends, refuse long values, and look up a packaged
    # model's requirements on a package index.
    "MLFLOW_ENABLE_ASYNC_LOGGING",
    "MLFLOW_TRUNCATE_LONG_VALUES",
    "MLFLOW_LOCK_MODEL_DEPENDENCIES",
    # Git sets these in its hooks, and would then use the hook's repository and index in every folder.
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    # Python would turn other libraries' warnings into errors.
    "PYTHONWARNINGS",
    # Keras would end training early without a message, and DVC would cache the result.
    "KERAS_MAX_EPOCHS",
    "KERAS_MAX_STEPS_PER_EPOCH",
)
"""Removed, so that MLflow, Keras, git and Python do not see them."""
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
STORES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")


def prepare() -> None:
    """Set Darkroom's environment variables for this process and its subprocesses. Idempotent.

    Raises:
        InputError: the addresses of the stores have different logins.
    """
    if "PYTHONWARNINGS" in os.environ:
        _reset_warnings()
    ignore_pillows_warnings()
    os.environ.update(FORCED)
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    for name in REMOVED:
        os.environ.pop(name, None)
    credentials.take_logins(*STORES)
    for name in STORES:
        # A variable of a missing secret is empty, and one from a file often ends with a newline.
        if address := os.environ.pop(name, "").strip():
            os.environ[name] = absolute_address(address)
    _name_the_user()
    _give_matplotlib_a_folder()
    _find_programs()
    _trust_the_systems_certificates()
    _print_anything()


def open_standard_streams() -> None:
    """Open standard input, output and error where they are closed, as a daemon's may be; what is written is lost.

    The next files to be opened would get their numbers, and what libraries print would be written into them. Call this
    first in a program's main module.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The system gives the lowest free number.
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115


def use_utf8() -> None:
    """Start this program again in Python's UTF-8 mode, unless file names and texts are UTF-8 already.

    Otherwise the locale would decide how file names, and with them classes, are read. Output keeps the terminal's
    encoding. Call this before anything else but ``open_standard_streams``.
    """
    encodings = {locale.getencoding().lower(), sys.getfilesystemencoding().lower()}
    if sys.flags.utf8_mode or encodings == {"utf-8"}:
        return
    if sys.stdout.isatty():
        os.environ.setdefault("PYTHONIOENCODING", f"{sys.stdout.encoding}:backslashreplace")
    os.environ["PYTHONUTF8"] = "1"
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - the same program


def _reset_warnings() -> None:
    """Restore Python's default filters of warnings; it has read those of the environment when it started."""
    warnings.resetwarnings()
    for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", kind)


def ignore_pillows_warnings() -> None:
    """Ignore Pillow's warnings of odd metadata, which does not matter, and of damage, which its errors tell too."""
    warnings.filterwarnings("ignore", module=r"PIL\.")


def _name_the_user() -> None:
    """Give a user without name or home, as in containers, what MLflow and Great Expectations do not work without."""
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = f"user{os.getuid()}"
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = tempfile.gettempdir()


def _give_matplotlib_a_folder() -> None:
    """Give Matplotlib a temporary folder where the user's cannot be written; its own would be told, and stay behind."""
    place = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "matplotlib"
    existing = next(folder for folder in (place, *place.parents) if folder.exists())
    if not os.access(existing, os.W_OK):
        os.environ.setdefault("MPLCONFIGDIR", str(project.temporary_folder()))


def _find_programs() -> None:
    """Put this Python's programs first in PATH: the stages run ``python``, also if no environment is activated."""
    programs = str(Path(sys.executable).parent)
    places = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if programs not in places:
        os.environ["PATH"] = os.pathsep.join([programs, *places])


def _trust_the_systems_certificates() -> None:
    """Let MLflow trust the system's certificates, such as a company's, instead of those that came with a package."""
    places = ssl.get_default_verify_paths()
    # A folder without hashed names holds nothing that can be found.
    folder = places.capath if places.capath and any(Path(places.capath).glob("*.0")) else None
    system = places.cafile or folder
    if system and not any(map(os.environ.get, ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"))):
        os.environ["REQUESTS_CA_BUNDLE"] = system


def _print_anything() -> None:
    """Let output replace what the terminal's encoding lacks, instead of ending the program, and what would steer it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in {"strict", "surrogateescape"}:
            stream.reconfigure(errors="backslashreplace")
    terminal.guard()


def absolute_address(address: str) -> str:
    """Make an MLflow store address absolute; a relative path refers to the project's root.

    Otherwise an experiment, which DVC runs in a temporary copy of the project, would lose its store with the copy.

    Args:
        address: an MLflow tracking or registry URI, such as ``sqlite:///mlflow.db``, ``file:mlruns`` or ``mlruns``.
    """
    scheme, _, rest = address.partition(":")
    if scheme.startswith("sqlite"):
        # sqlite:///relative, sqlite:////absolute, sqlite:// or sqlite:///:memory: in memory.
        host, _, path = rest.partition("///")
        if host or not path or path.startswith(("/", ":memory:", "file:")) or Path(path).is_absolute():
            return address
        return f"{scheme}:///{_below_root(path)}"
    if scheme == "file" and not rest.startswith("/"):
        return f"file://{_below_root(rest)}"
    if not SCHEME.match(address) and address not in {"databricks", "databricks-uc", "uc"}:
        return _below_root(address)
    return address


def _below_root(path: str) -> str:
    # An absolute path replaces the root.
    return (project.project_root() / path).as_posix()
