"""Git and DVC, through their command lines and, where those do not suffice, DVC's Python API.

- ``commands``: run git and DVC
- ``remote``: DVC's default remote
- ``repair``: detect other running DVC processes, repair files that a killed DVC left half-written
- ``checkouts``: other commits and their outputs in temporary folders
"""

from darkroom.repository.checkouts import changed_deps, checkout, worktree
from darkroom.repository.commands import ask_dvc, changed_files, run_dvc, run_git
from darkroom.repository.remote import check_remote, default_remote, has_remote, push
from darkroom.repository.repair import repair_files, require_idle

__all__ = [
    "ask_dvc",
    "changed_deps",
    "changed_files",
    "check_remote",
    "checkout",
    "default_remote",
    "has_remote",
    "push",
    "repair_files",
    "require_idle",
    "run_dvc",
    "run_git",
    "worktree",
]
