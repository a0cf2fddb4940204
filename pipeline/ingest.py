"""Read the source that params.yaml names, and write the manifest: one row for each image."""

from darkroom import manifest, script, sources
from darkroom.params import read_params

SHOWN = 10


def main(manifest_path: str) -> None:
    data = read_params().data
    found = manifest.build(sources.samples(data))
    manifest.write(found, manifest_path)
    for label, count in found["label"].value_counts(sort=False).sort_index().items():
        print(f"{label}: {count} images")
    if left_out := sources.left_out(data):
        more = f" and {len(left_out) - SHOWN} more" if len(left_out) > SHOWN else ""
        print(f"left out, because their endings are not an image's: {', '.join(left_out[:SHOWN])}{more}")


if __name__ == "__main__":
    script.run(main)
