"""The residual network of 50 layers, of bottleneck blocks.

A block: 1×1 that narrows, 3×3, 1×1 that widens to four times as many filters, each with batch norm; add the shortcut,
ReLU. The first block of a stage has a 1×1 convolution with batch norm in its shortcut.

===========  ==============================  ===========  ============================================
layer        kind                            output       parameters (224×224×3 input, 1,000 classes)
===========  ==============================  ===========  ============================================
conv1        64 convolutions 7×7, / 2        112×112×64   9,728
pool1        max pool 3×3, / 2               56×56×64     –
conv2_x      3 blocks of 64, 64, 256         56×56×256    220,032
conv3_x      4 blocks of 128, 128, 512       28×28×512    1,230,336
conv4_x      6 blocks of 256, 256, 1024      14×14×1024   7,129,088
conv5_x      3 blocks of 512, 512, 2048      7×7×2048     14,998,528
avg_pool     global average pool             2048         –
output       softmax                         1000         2,049,000
===========  ==============================  ===========  ============================================

25,636,712 in all; 23,608,202 (23,555,082 trained) with 10 classes. Sizes are halved in a block's first 1×1 convolution,
as in the paper. Convolutions have a bias, which the paper's have not; layers have the names of
``keras.applications.ResNet50``, whose weights fit.
"""

from darkroom.backend import keras
from darkroom.models import layers
from darkroom.networks import Resnet50Params

SOURCE = "K. He, X. Zhang, S. Ren, J. Sun, Deep residual learning for image recognition, CVPR 2016, table 1"
PUBLISHED_INPUT = (224, 224, 3)
PUBLISHED_CLASSES = 1000

# stage, blocks, filters of the narrow part
STAGES = (("conv2", 3, 64), ("conv3", 4, 128), ("conv4", 6, 256), ("conv5", 3, 512))
EXPANSION = 4
BATCH_NORM_EPSILON = 1.001e-5


def bottleneck_residual_block(
    x: keras.KerasTensor, filters: int, strides: int, params: Resnet50Params, name: str, *, first: bool
) -> keras.KerasTensor:
    """Narrow, look, widen, and add the input, brought to the same size in a stage's first block."""
    shortcut = _normalised(x, EXPANSION * filters, 1, params, f"{name}_0", strides) if first else x
    for number, kernel in ((1, 1), (2, 3)):
        x = _normalised(x, filters, kernel, params, f"{name}_{number}", strides if number == 1 else 1)
        x = layers.activated(x, params.activation, f"{name}_{number}_{params.activation}")
    x = _normalised(x, EXPANSION * filters, 1, params, f"{name}_3")
    x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.activated(x, params.activation, f"{name}_out")


def build(inputs: keras.KerasTensor, classes: int, params: Resnet50Params) -> keras.KerasTensor:
    """Add the layers; see ``darkroom.models.build``."""
    x = keras.layers.ZeroPadding2D(3, name="conv1_pad")(inputs)
    x = _normalised(x, 64, 7, params, "conv1", 2, "valid")
    x = layers.activated(x, params.activation, f"conv1_{params.activation}")
    x = keras.layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = keras.layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)
    for stage, blocks, filters in STAGES:
        for block in range(1, blocks + 1):
            strides = 2 if block == 1 and stage != "conv2" else 1
            name = f"{stage}_block{block}"
            x = bottleneck_residual_block(x, filters, strides, params, name, first=block == 1)
    x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
    return layers.probabilities(x, classes, params)


# What Keras' weights for ImageNet expect: mean colours taken off, no division, blue before red.
IMAGENET_MEAN_RGB = (123.68, 116.779, 103.939)


def imagenet(weights: str | None = "imagenet", size: tuple[int, int, int] = PUBLISHED_INPUT) -> keras.Model:
    """Return the network with the weights that ``keras.applications`` publishes, for images of red, green and blue.

    Args:
        weights: as ``keras.applications.ResNet50`` takes it.
        size: of the images.
    """
    published = keras.applications.ResNet50(weights=weights, input_shape=size)
    inputs = keras.Input(size, dtype="uint8", name="image")
    offset = [-mean for mean in IMAGENET_MEAN_RGB]
    normalised = keras.layers.Rescaling(scale=[1.0] * 3, offset=offset, dtype="float32", name="normalise")(inputs)
    model = keras.Model(inputs, build(normalised, PUBLISHED_CLASSES, Resnet50Params()), name="resnet50")
    for layer in published.layers:
        if layer.get_weights():
            model.get_layer("output" if layer.name == "predictions" else layer.name).set_weights(layer.get_weights())
    kernel, bias = model.get_layer("conv1_conv").get_weights()
    model.get_layer("conv1_conv").set_weights([kernel[:, :, ::-1], bias])
    return model


def _normalised(
    x: keras.KerasTensor,
    filters: int,
    kernel: int,
    params: Resnet50Params,
    name: str,
    strides: int = 1,
    padding: str = "same",
) -> keras.KerasTensor:
    x = layers.bare_convolution(x, filters, kernel, params, f"{name}_conv", strides=strides, padding=padding)
    return keras.layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON, name=f"{name}_bn")(x)
