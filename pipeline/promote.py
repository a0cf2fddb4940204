"""Let the best network meet the champion on the same test images, and move the alias or leave it."""

from pathlib import Path

from darkroom import script
from darkroom.files import write_json
from darkroom.params import read_params


def main(prepared: str, runs: str, promotion_path: str) -> None:
    params = read_params()
    from darkroom import tracking
    from darkroom.stages import promote

    tracking.open_store()
    decision = promote.decide(params, Path(prepared), Path(runs))
    promote.carry_out(decision, params, Path(runs))
    write_json(promotion_path, decision.as_json())
    print(f"{decision.outcome}: {decision.reason}")


if __name__ == "__main__":
    script.run(main)
