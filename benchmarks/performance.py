"""All benchmarks of the cost of training and search, one after the other.

    python -m benchmarks.performance

Takes about half an hour on two idle cores. Requires the data sets; see benchmarks/published.py.
"""

import subprocess
import sys

BENCHMARKS = (
    ("input_pipeline", "augmentation"),
    ("input_pipeline", "share"),
    ("input_pipeline", "stage"),
    ("feature_speed",),
    ("feature_speed", "--memory", "256"),
    ("feature_speed", "--memory", "20"),
    ("input_pipeline", "precision", "1500"),
    ("default_pipeline",),
    ("search", "grid", "20"),
    ("search", "workers"),
    ("search", "tracking"),
    ("memory",),
)


def main() -> None:
    """Run each benchmark under a heading with its command."""
    for name, *arguments in BENCHMARKS:
        command = ["-m", f"benchmarks.{name}", *arguments]
        print(f"## python {' '.join(command)}\n", flush=True)
        subprocess.run([sys.executable, *command], check=True)
        print(flush=True)


if __name__ == "__main__":
    main()
