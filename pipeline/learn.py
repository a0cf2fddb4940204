"""Learn from the first images of a source what is expected of later ones; what has been learnt stays."""

from pathlib import Path

from darkroom import manifest, script
from darkroom.params import read_params


def main(manifest_path: str, learnt_path: str) -> None:
    params = read_params()
    from darkroom import rules

    if rules.read_learnt(Path(learnt_path), params.data) is not None:
        print(f"{learnt_path} stays as it is")
        return
    rules.write_learnt(Path(learnt_path), params.data, rules.learn(manifest.read(manifest_path), learnt_path))
    print(f"{learnt_path} holds what was learnt of these images; later ones are held against it")


if __name__ == "__main__":
    script.run(main)
