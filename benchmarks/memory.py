"""The memory of one process after many trials of a search, on the handwritten digits.

    python -m benchmarks.memory [TRIALS]

Runs trials (100 unless told) of one epoch each as the search does with one worker, of networks that differ in width and
optimizer. Prints what the process holds after some of them, and its ratio to the tenth, in Markdown.
"""

import os
import sys
import tempfile
from pathlib import Path

from benchmarks.recipes import machine
from darkroom import sources, splits
from darkroom.ingestion import ingest
from darkroom.params import Params, read_params
from darkroom.stages import trial
from darkroom.stages.preprocess import pack

ROOT = Path(__file__).resolve().parents[1]
SHOWN = (1, 10, 50, 100)
OPTIMIZERS = ("adam", "sgd", "rmsprop", "muon")


def main(trials: int) -> None:
    """Run the trials of each network, and print a row for each."""
    params = read_params(ROOT / "params.yaml")
    shown = sorted({min(number, trials) for number in SHOWN} | {trials})
    print(f"{trials} trials of one epoch each, {os.cpu_count()} cores, {machine()['processor']}\n")
    print(f"| network | {' | '.join(f'MB after {number}' for number in shown)} | last / tenth |")
    print(f"|{' --- |' * (len(shown) + 2)}")
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare(params, Path(folder))
        for network in ("mnist_cnn", "mlp"):
            one = params.model_copy(update={"search": params.search.model_copy(update={"epochs": 1})})
            run = trial.objective(network, one, prepared, None)
            held = []
            for number in range(trials):
                width = 16 + 8 * (number % 5)
                units = width if network == "mnist_cnn" else [width, width]
                tried = {"hidden_units": units, "optimizer": OPTIMIZERS[number % 4], "batch_size": 64 + number % 3}
                run(number + 1, tried, lambda *_: None)
                held.append(resident())
            cells = [f"{held[number - 1]:.0f}" for number in shown]
            print(f"| `{network}` | {' | '.join(cells)} | {held[-1] / held[min(9, trials - 1)]:.3f} |", flush=True)


def prepare(params: Params, folder: Path) -> Path:
    """Bring the digits to where a trial reads them from; return that folder."""
    data = params.data.model_copy(update={"path": str(ROOT / params.data.path)})
    found = sources.find(data, params.preprocess.size)
    manifest = ingest(found, params.preprocess, folder / "ledger", folder / "images.npy").manifest
    rows = splits.assign(manifest, splits.NO_PAIRS, {}, params.preprocess)
    pack(rows, folder / "images.npy", params.preprocess, folder / "prepared", data=data)
    return folder / "prepared"


def resident() -> float:
    """Return the memory that this process holds, in MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
