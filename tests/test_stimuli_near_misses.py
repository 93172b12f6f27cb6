"""Files of published sets that are called nearly as they should be, or are of another version: each is named."""

import pytest

from corinfomax.errors import StimulusError
from corinfomax.stimuli import cifar10, cifar100, fashion_mnist, mnist


@pytest.mark.parametrize(
    ("load", "names", "words"),
    [
        (mnist, ["train-images.idx3-ubyte"], ["train-images.idx3-ubyte: mnist looks for train-images-idx3-ubyte;"]),
        (mnist, ["T10K-LABELS-IDX1-UBYTE.GZ"], ["T10K-LABELS-IDX1-UBYTE.GZ", "looks for t10k-labels-idx1-ubyte.gz;"]),
        (
            mnist,
            ["mnist/train-images-idx3-ubyte", "mnist/train-labels.idx1-ubyte"],
            ["train-labels.idx1-ubyte: mnist looks for train-labels-idx1-ubyte;"],
        ),
        (mnist, ["MNIST/train-images-idx3-ubyte"], ["MNIST", "holds files of these names"]),
        (fashion_mnist, ["Fashion_MNIST/train-images-idx3-ubyte"], ["Fashion_MNIST: fashion_mnist looks for"]),
        (cifar10, ["DATA_BATCH_1.BIN"], ["DATA_BATCH_1.BIN: cifar10 looks for data_batch_1.bin;"]),
        (cifar10, ["CIFAR-10-binary.TAR.gz"], ["looks for cifar-10-binary.tar.gz;"]),
        (cifar10, ["CIFAR-10-PYTHON.tar.gz"], ["CIFAR-10-PYTHON.tar.gz: is of the Python version of cifar10"]),
        (cifar10, ["cifar10/data_batch_1"], ["data_batch_1: is of the Python version of cifar10"]),
        (cifar100, ["train", "test", "meta"], ["train: is of the Python version of cifar100"]),
        (cifar100, ["Cifar-100-Python/train"], ["Cifar-100-Python: is of the Python version of cifar100"]),
    ],
)
def test_near_misses_are_named(tmp_path, load, names, words):
    """One line with what lies there, and what it should be called or which version is wanted."""
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(StimulusError) as caught:
        load(tmp_path)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize("load", [mnist, fashion_mnist, cifar10, cifar100])
def test_what_is_called_otherwise_is_no_near_miss(tmp_path, load):
    """A folder with other files has no files of the set, and is told so."""
    (tmp_path / "training.bin").write_bytes(b"")
    with pytest.raises(StimulusError, match=f"has no files of {load.__name__}"):
        load(tmp_path)
