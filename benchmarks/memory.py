"""Memory of one process over many trials of a search, on the handwritten digits.

    python -m benchmarks.memory [TRIALS]

Runs trials (default: 100) of one epoch each like a search with one worker, with varying width and optimizer. Prints
the resident memory after some of them, and the ratio of the last to the tenth, in Markdown.
"""

import os
import sys
import tempfile
from pathlib import Path

from benchmarks.recipes import machine
from darkroom.data import sources
from darkroom.data.ingestion.ingest import ingest
from darkroom.data.prepared.packing import pack
from darkroom.data.prepared.prepared import Prepared
from darkroom.data.splitting import assign, kept, pairs
from darkroom.params import Params, read_params
from darkroom.search.objective import objective

ROOT = Path(__file__).resolve().parents[1]
SHOWN = (1, 10, 50, 100)
OPTIMIZERS = ("adam", "sgd", "rmsprop", "muon")


def main(trials: int) -> None:
    """Run the trials of each network, and print a row per network."""
    params = read_params(ROOT / "params.yaml")
    shown = sorted({min(number, trials) for number in SHOWN} | {trials})
    print(f"{trials} trials of one epoch each, {os.cpu_count()} cores, {machine()['processor']}\n")
    print(f"| network | {' | '.join(f'MB after {number}' for number in shown)} | last / tenth |")
    print(f"|{' --- |' * (len(shown) + 2)}")
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare(params, Path(folder))
        for network in ("mnist_cnn", "mlp"):
            one = params.model_copy(update={"search": params.search.model_copy(update={"epochs": 1})})
            run = objective(network, one, prepared, None)
            used = []
            for number in range(trials):
                width = 16 + 8 * (number % 5)
                units = width if network == "mnist_cnn" else [width, width]
                tried = {"hidden_units": units, "optimizer": OPTIMIZERS[number % 4], "batch_size": 64 + number % 3}
                run(number + 1, tried, lambda *_: None)
                used.append(resident())
            cells = [f"{used[number - 1]:.0f}" for number in shown]
            print(f"| `{network}` | {' | '.join(cells)} | {used[-1] / used[min(9, trials - 1)]:.3f} |", flush=True)


def prepare(params: Params, folder: Path) -> Prepared:
    """Prepare the digits for the trials."""
    data = params.data.model_copy(update={"path": str(ROOT / params.data.path)})
    found = sources.find(data, params.preprocess.size)
    manifest = ingest(found, params.preprocess, folder / "ledger", folder / "images.npy").manifest
    rows = assign.assign(manifest, pairs.NO_PAIRS, kept.NOTHING, params.preprocess)
    prepared = Prepared(folder / "prepared")
    pack(rows, folder / "images.npy", params.preprocess, prepared, data=data)
    return prepared


def resident() -> float:
    """Return this process's resident memory in MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
