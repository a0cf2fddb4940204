"""Let the best network meet the champion on the same test images, and move the alias or leave it."""

from contextlib import nullcontext
from pathlib import Path

from darkroom import lineage, script
from darkroom.files import write_json
from darkroom.params import read_params


def main(prepared: str, runs: str, promotion_path: str) -> None:
    params = read_params()
    from darkroom import registry, tracking
    from darkroom.stages import card, promote

    tracking.open_store()
    withheld = lineage.withheld()
    # What is only decided touches nothing, and must not stand in the way of what is carried out.
    turn = nullcontext() if withheld else registry.one_promotion_at_a_time(params.promote.registered_model)
    with tracking.answering():
        promote.name_lock(params, Path(runs))
        with turn:
            decision = promote.decide(params, Path(prepared), Path(runs), Path(promotion_path).parent)
            if withheld is None:
                promote.carry_out(decision, params, Path(prepared), Path(runs))
    write_json(promotion_path, decision.as_json(withheld))
    with tracking.answering():
        folders = (Path(prepared), Path(runs), Path(promotion_path).parent)
        card.write(decision, params, *folders, withheld=withheld is not None)
    print(f"{decision.outcome}: {decision.reason}{f' (not carried out: {withheld})' if withheld else ''}")


if __name__ == "__main__":
    script.run(main)
