"""The stages of dvc.yaml, one script each."""

import sys
from pathlib import Path

# A stage runs the code of its own checkout, also where DVC runs an experiment in a copy of the repository.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
