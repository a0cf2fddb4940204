"""What a network sees: filters, feature maps and heat maps, the pictures of them, and the notes' worked kernels."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from darkroom.base.backend import keras
from darkroom.cli import main
from darkroom.data.prepared.datasets import Split
from darkroom.evaluation import grad_cam, report
from darkroom.evaluation.maps import feature_maps, heat_maps
from darkroom.maintenance import restore
from darkroom.networks import inference
from darkroom.registry import packages
from darkroom.serving import explain
from darkroom.tracking import opening, runs, store
from darkroom.training import inference_model
from support.networks import COLOUR, GREY, NETWORKS, build, description
from support.pictures import write_folder

SQUARE = 8
PLACES = [(row, column) for row in (1, 10, 19) for column in (1, 10, 19)]


def squares(count, seed):
    """Noise with one square of stripes, whose direction is the class; also where its upper left corner is."""
    generator = np.random.default_rng(seed)
    images = generator.integers(100, 156, (count, 28, 28, 1), dtype=np.uint8)
    classes = np.arange(count) % 2
    corners = np.array(PLACES)[generator.integers(len(PLACES), size=count)]
    stripes = np.where(np.arange(SQUARE) % 4 < 2, 20, 235).astype(np.uint8)
    for image, of_class, (row, column) in zip(images, classes, corners, strict=True):
        across = np.broadcast_to(stripes[:, None], (SQUARE, SQUARE))
        image[row : row + SQUARE, column : column + SQUARE, 0] = across if of_class else across.T
    return Split(images, classes, pd.DataFrame({"name": [f"{number}.png" for number in range(count)]})), corners


@pytest.fixture(scope="module")
def trained():
    """A network that tells the squares apart."""
    keras.utils.set_random_seed(0)
    model = build("mnist_cnn", classes=2, filters=(4, 8), hidden_units=32, dropout=0.0)
    shown, _ = squares(256, 1)
    # Compiled by XLA it would train no faster, and start later.
    model.compile(keras.optimizers.Adam(0.005), "sparse_categorical_crossentropy", jit_compile=False)
    model.fit(shown.images, shown.classes, batch_size=32, epochs=6, verbose=0)
    return model


def share_on_the_square(heat, corners):
    """The share of heat maps whose hottest place lies on the square."""
    hottest = np.array([np.unravel_index(of_image.argmax(), of_image.shape) for of_image in heat])
    return ((hottest >= corners) & (hottest < corners + SQUARE)).all(axis=1).mean()


def test_heat_lies_on_what_decides(trained):
    shown, corners = squares(60, 3)
    predicted = inference.probabilities(trained, shown.images).argmax(axis=1)
    assert (predicted == shown.classes).mean() > 0.95
    heat = grad_cam.heat_maps(trained, shown.images, predicted)
    assert heat.shape == (60, 28, 28)
    assert heat.dtype == np.float32
    assert share_on_the_square(heat, corners) > 0.9


def averaging(classes_of_output, seed=0):
    """One convolution, the mean of each map, and the last layer: where Grad-CAM is the class activation map."""
    keras.utils.set_random_seed(seed)
    image = keras.Input((9, 12, 3), dtype="uint8", name="image")
    x = keras.layers.Rescaling(1 / 255, name="normalise")(image)
    x = keras.layers.Conv2D(5, 3, padding="same", name="conv1")(x)
    x = keras.layers.Activation("relu", name="conv1_relu")(x)
    x = keras.layers.GlobalAveragePooling2D(name="average")(x)
    activation = "softmax" if classes_of_output > 1 else "sigmoid"
    x = keras.layers.Dense(classes_of_output, activation=activation, name="output")(x)
    if classes_of_output == 1:
        x = keras.layers.Concatenate()([keras.layers.Rescaling(-1.0, 1.0)(x), x])
    return keras.Model(image, x, name="averaging")


def some_images(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def class_activation(model, images, weights):
    """relu(Σ wA), of each image from 0 to 1: what the paper's section 3.1 says Grad-CAM becomes here."""
    heat = np.maximum(np.stack([grad_cam.feature_maps(model, image)["conv1_relu"] for image in images]) @ weights, 0)
    return heat / np.maximum(heat.max(axis=(1, 2), keepdims=True), 1e-12)


def test_grad_cam_is_the_class_activation_map_where_maps_are_averaged():
    images, model = some_images(4, 9, 12, 3), averaging(3)
    kernel = np.asarray(model.get_layer("output").kernel)
    for number in range(3):
        expected = class_activation(model, images, kernel[:, number])
        np.testing.assert_allclose(grad_cam.heat_maps(model, images, [number] * 4), expected, atol=1e-5)


def test_one_sigmoid_unit_speaks_for_both_classes():
    images, model = some_images(4, 9, 12, 3), averaging(1)
    kernel = np.asarray(model.get_layer("output").kernel)[:, 0]
    for number, sign in ((0, -1), (1, 1)):
        expected = class_activation(model, images, sign * kernel)
        np.testing.assert_allclose(grad_cam.heat_maps(model, images, [number] * 4), expected, atol=1e-5)


def test_a_network_that_is_sure_is_explained_like_one_that_is_not():
    images, model = some_images(4, 9, 12, 3), averaging(3)
    classes = inference.probabilities(model, images).argmax(axis=1)
    unsure = grad_cam.heat_maps(model, images, classes)
    output = model.get_layer("output")
    output.set_weights([weights * 1e5 for weights in output.get_weights()])
    assert inference.probabilities(model, images).max(axis=1).tolist() == [1.0] * 4
    np.testing.assert_allclose(grad_cam.heat_maps(model, images, classes), unsure, atol=1e-5)


def test_a_class_that_nothing_speaks_for_has_no_heat():
    model = averaging(3)
    output = model.get_layer("output")
    output.set_weights([-np.abs(output.get_weights()[0]), output.get_weights()[1]])
    assert not grad_cam.heat_maps(model, some_images(1, 9, 12, 3), [0]).any()


@pytest.mark.parametrize(
    ("network", "size", "filters", "maps"),
    [
        ("lenet5", GREY, (6, 5, 5, 1), {"C1_tanh": (28, 28, 6), "C3_tanh": (10, 10, 16)}),
        ("mnist_cnn", (20, 28, 1), (32, 3, 3, 1), {"conv1_relu": (20, 28, 32), "conv2_relu": (10, 14, 64)}),
        (
            "cifar_bn_cnn",
            COLOUR,
            (32, 3, 3, 3),
            {"conv2_bn": (32, 32, 32), "conv4_bn": (16, 16, 64), "conv6_bn": (8, 8, 128)},
        ),
        (
            "resnet20",
            COLOUR,
            (16, 3, 3, 3),
            {"conv2_3_out": (32, 32, 16), "conv3_3_out": (16, 16, 32), "conv4_3_out": (8, 8, 64)},
        ),
    ],
)
def test_filters_and_the_maps_of_each_stage(network, size, filters, maps):
    model = build(network, size)
    assert grad_cam.first_filters(model).shape == filters
    found = grad_cam.feature_maps(model, some_images(*size))
    assert {name: of_stage.shape for name, of_stage in found.items()} == maps
    assert list(found) == list(maps)


FAST = {("lenet5", (83, 70, 1)), ("cifar_cnn", (70, 83, 3))}


@pytest.mark.parametrize(
    ("network", "size"),
    [
        pytest.param(network, size, marks=() if (network, size) in FAST else [pytest.mark.slow, pytest.mark.large])
        for network in NETWORKS
        for size in ((70, 83, 3), (83, 70, 1))
        if network != "mlp"
    ],
)
def test_every_network_with_convolutions_is_explained(network, size, tmp_path):
    model = inference_model(build(network, size, 3))
    images = some_images(2, *size)
    heat = grad_cam.heat_maps(model, images, [2, 0])
    assert heat.shape == (2, *size[:2])
    assert heat.min() >= 0
    assert set(heat.max(axis=(1, 2))) <= {0.0, 1.0}
    maps = grad_cam.feature_maps(model, images[0])
    assert 1 <= len(maps) <= 6
    feature_maps(images[0], grad_cam.first_filters(model), maps, network, tmp_path / "maps.png")
    heat_maps(images, heat, ["first", "second"], network, tmp_path / "heat.png")


def test_what_has_no_maps_says_so():
    assert grad_cam.lack_of_maps(build("lenet5")) is None
    words = "mlp has no convolution with maps larger than 1×1"
    assert grad_cam.lack_of_maps(build("mlp")).startswith(words)


def test_a_network_of_one_stage():
    maps = grad_cam.feature_maps(build("mnist_cnn", filters=(8,)), some_images(*GREY))
    assert {name: of_stage.shape for name, of_stage in maps.items()} == {"conv1_relu": (28, 28, 8)}


@pytest.mark.slow
def test_the_same_network_and_images_are_the_same_picture(trained, tmp_path):
    test, _ = squares(12, 4)
    probabilities = inference.probabilities(trained, test.images)
    for number in (1, 2):
        report.explain(trained, test, probabilities, ("down", "$acros$"), tmp_path / f"{number}.png")
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()
    report.explain(build("mlp"), test, probabilities, ("down", "across"), tmp_path / "mlp.png")
    assert (tmp_path / "mlp.png").is_file()


def test_restoring_asks_for_the_picture_where_it_was_recorded():
    picture = "reports/lenet5/explanations.png"
    assert picture in restore.outputs_of("lenet5", f"    - path: {picture}\n      hash: md5\n")
    assert picture not in restore.outputs_of("lenet5", "    - path: reports/lenet5/confusion_matrix.png\n")


@pytest.fixture(scope="module")
def project(trained, tmp_path_factory):
    """A store with two packaged models, and images; the tests run beside them."""
    root = tmp_path_factory.mktemp("project")
    patch = pytest.MonkeyPatch()
    patch.chdir(root)
    patch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (root / "dvc.yaml").touch()
    write_folder(root / "new", "ab", 1, size=(40, 30))
    description(GREY, 2).write("dataset.json")
    uris = {}
    store.open_store()
    for name, network in (("mnist_cnn", trained), ("mlp", build("mlp", classes=2))):
        network.save(root / f"{name}.keras")
        with runs.start_run(name, "train", {"network": name}) as run:
            uris[name] = packages.log_model(run, root / f"{name}.keras", root / "dataset.json")
    yield uris
    patch.undo()


@pytest.mark.slow
def test_explain_draws_two_pictures_of_each_image(project, capsys, tmp_path):
    assert main(["explain", "--output", str(tmp_path), project["mnist_cnn"], "new"]) == 0
    names = [f"{stem}-{kind}.png" for stem in ("000", "000-2") for kind in ("heat_map", "feature_maps")]
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / name) for name in names]
    assert {path.name for path in tmp_path.iterdir()} == set(names)


@pytest.mark.slow
def test_explain_sees_what_predict_sees(project):
    network = explain.PackagedNetwork.load(project["mnist_cnn"])
    content = Path("new/a/000.png").read_bytes()
    (answer,) = opening.load_model(project["mnist_cnn"]).predict([content])
    seen = inference.probabilities(network.network, network.pixels(content)[None])[0]
    np.testing.assert_allclose(seen, list(answer["probabilities"].values()), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("aspect", "height", "width"), [("stretch", 427, 640), ("crop", 640, 640), ("pad", 640, 640)])
def test_heat_is_drawn_on_the_photograph(project, tmp_path, aspect, height, width):
    """Not on the 28×28 pixels that the network sees, but on the same part of the image."""
    network = explain.PackagedNetwork.load(project["mnist_cnn"])
    network = replace(network, description={**network.description, "aspect": aspect})
    pixels = np.zeros((800, 1200, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, 1200)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    shown = network.photograph(file.getvalue())
    assert shown.shape == (height, width, 3)
    left, right = (42, 213) if aspect == "crop" else (0, 255)
    middle = shown[shown.shape[0] // 2, :, 0].astype(int)
    assert abs(middle[0] - left) <= 3
    assert abs(middle[-1] - right) <= 3
    heat = explain.stretched(np.eye(4, dtype=np.float32)[None], *shown.shape[:2])
    assert heat.shape == (1, *shown.shape[:2])
    assert 0 <= heat.min() < heat.max() <= 1


@pytest.mark.slow
def test_an_image_that_cannot_be_read_does_not_keep_the_others_from_theirs(project, capsys, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    arguments = [str(bad), "new/a/000.png"]
    assert main(["explain", "--model", project["mnist_cnn"], "--output", str(tmp_path / "out"), *arguments]) == 2
    explained = capsys.readouterr()
    assert len(explained.out.splitlines()) == 2
    assert main(["predict", "--model", project["mnist_cnn"], *arguments]) == 2
    assert explained.err == capsys.readouterr().err.replace("darkroom predict", "darkroom explain")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{mlp}", "new"], "mlp has no convolution"),
        (["models:/nothing/1", "new"], "models:/nothing/1 cannot be loaded"),
        (["--model", "{mlp}", "{mlp}", "new"], "two models given"),
        (["{mlp}"], "no image given for models:/m-"),
        (["nowhere.png"], "nowhere.png does not exist"),
    ],
)
def test_what_explain_refuses(project, capsys, arguments, words):
    assert main(["explain", *(argument.format(**project) for argument in arguments)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith("darkroom explain: ")
    assert words in line


def convolve(image, kernel, bias=0.0):
    """Let a real Conv2D layer slide one kernel over one image (height, width, channels), without padding."""
    image, kernel = np.array(image, dtype=np.float32), np.array(kernel, dtype=np.float32)
    layer = keras.layers.Conv2D(1, kernel.shape[:2])
    layer.build((None, *image.shape))
    layer.set_weights([kernel[..., None], np.array([bias], dtype=np.float32)])
    return np.asarray(layer(image[None]))[0, ..., 0]


EDGES = np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]])[..., None]


def test_the_notes_first_kernel():
    image = np.array([[3, 0, 1], [2, 6, 2], [2, 4, 1]])[..., None]
    kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])[..., None]
    assert convolve(image, kernel).tolist() == [[-3]]


def test_the_notes_edge_kernel():
    image = np.array([[120, 140, 120], [225, 220, 205], [225, 250, 230]])[..., None]
    assert convolve(image, EDGES).tolist() == [[60]]


def test_the_edge_kernel_sees_nothing_but_the_edge():
    image = np.full((6, 8, 1), 50)
    image[:, 4:] = 200
    # The two columns at the edge, counted without the border that the kernel cannot stand on.
    assert (convolve(image, EDGES) == [0, 0, -150, 150, 0, 0]).all()


def test_the_notes_colour_kernel():
    patch = np.stack([[[1, 2, 0], [0, 2, 1], [1, 1, 0]], [[0, 1, 2], [1, 1, 0], [2, 0, 1]], [[2, 0, 1]] * 3], axis=-1)
    kernel = np.stack(
        [[[1, 0, 0], [0, 0, 0], [-1, 0, 0]], [[0, 0, 1], [-1, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, -1], [0, 0, 0]]],
        axis=-1,
    )
    assert (patch * kernel).sum(axis=(0, 1)).tolist() == [0, 1, -1]
    assert convolve(patch, kernel, bias=1).tolist() == [[1]]
