"""Data sets are read, split and normalised; missing or damaged files get a message of one line."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from model.data import DataError, Split, data_root, load_dataset, normalise
from model.errors import ConfigError
from tests.conftest import write_idx
from tests.harness import environment


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_named: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_present_files_need_no_network(tiny_root: Path, no_network: None) -> None:
    data = load_dataset("mnist", tiny_root, validation_images=100)
    assert (len(data.train), len(data.val), len(data.test)) == (500, 100, 100)
    assert data.train.images.dtype == torch.uint8
    assert data.train.images.shape == (500, 28, 28)


def test_split_is_stratified_disjoint_and_by_seed(tiny_root: Path) -> None:
    first, again, other = (
        load_dataset("mnist", tiny_root, validation_images=100, train_images=200, seed=seed) for seed in (1, 1, 2)
    )
    assert torch.equal(first.val.images, again.val.images)
    assert not torch.equal(first.val.images, other.val.images)
    assert torch.bincount(first.val.labels).tolist() == [10] * 10
    assert torch.bincount(first.train.labels).tolist() == [20] * 10
    seen = [image.numpy().tobytes() for part in (first.train, first.val, first.rest) for image in part.images]
    assert len(seen) == len(set(seen)) == 600


def test_a_rest_too_small_to_stratify_is_no_error(tiny_root: Path) -> None:
    assert len(load_dataset("mnist", tiny_root, validation_images=100, train_images=497).rest) == 3


def test_a_refit_has_every_image_once_and_a_fifth_of_the_validation_images_of_each_class_is_held_back(
    tiny_root: Path,
) -> None:
    data = load_dataset("mnist", tiny_root, validation_images=100, train_images=200)
    whole = data.for_refit()
    trained, held_back, validation = (contents(split) for split in (whole.train, whole.val, data.val))
    assert (len(whole.train), len(whole.val), len(whole.rest)) == (580, 20, 0)
    assert len(trained | held_back) == 600
    assert held_back < validation
    assert torch.bincount(whole.val.labels).tolist() == [2] * 10
    assert contents(data.for_refit().val) == held_back
    assert all(data.val.labels[find(image, data.val)] == label for image, label in zip(*pairs(whole.val), strict=True))


def test_a_refit_without_images_held_back_has_all(tiny_root: Path) -> None:
    whole = load_dataset("mnist", tiny_root, validation_images=100, train_images=200).for_refit(hold_back=False)
    assert (len(contents(whole.train)), len(whole.val)) == (600, 0)


def contents(split: Split) -> set[bytes]:
    return {image.numpy().tobytes() for image in split.images}


def pairs(split: Split) -> tuple[list[torch.Tensor], list[int]]:
    return list(split.images), split.labels.tolist()


def find(image: torch.Tensor, split: Split) -> int:
    return int((split.images == image).all(dim=2).all(dim=1).nonzero()[0, 0])


def test_images_are_normalised_and_left_as_they_were(tiny_root: Path) -> None:
    data = load_dataset("mnist", tiny_root, validation_images=100)
    before = data.train.images.clone()
    images = normalise(data.train.images, data.mean, data.std)
    assert images.shape == (500, 1, 28, 28)
    assert abs(float(images.mean())) < 0.02
    assert float(images.std()) == pytest.approx(1, abs=0.02)
    assert torch.equal(data.train.images, before)
    floats = before.float()
    assert torch.equal(normalise(floats, data.mean, data.std), images)
    assert torch.equal(floats, before.float())


def test_a_missing_data_set_names_folder_and_remedies(tmp_path: Path, no_network: None) -> None:
    with pytest.raises(DataError) as caught:
        load_dataset("mnist", tmp_path / "empty")
    message = str(caught.value)
    assert str(tmp_path / "empty") in message
    assert "--data" in message
    assert "DIGIT_SEARCH_DATA" in message
    assert "\n" not in message


def test_the_fallback_says_its_name(tmp_path: Path, no_network: None) -> None:
    data = load_dataset("mnist", tmp_path / "empty", fallback=True)
    assert data.name == "uci-digits"
    assert len(data.train) + len(data.val) + len(data.test) == 1797
    assert data.train.images.shape[1:] == (28, 28)
    assert data.train.images[:, 6:22, 6:22].sum() > 0
    assert data.train.images[:, :4].sum() == 0


def test_damaged_files_are_named(tmp_path: Path, tiny_root: Path, no_network: None) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in (tiny_root / "MNIST" / "raw").iterdir():
        (raw / file.name).write_bytes(file.read_bytes()[:-50])
    with pytest.raises(DataError, match="can't be read"):
        load_dataset("mnist", tmp_path)


def test_too_large_a_validation_split_is_refused(tiny_root: Path) -> None:
    with pytest.raises(DataError, match="at most 500"):
        load_dataset("mnist", tiny_root, validation_images=550)


def test_a_class_with_a_single_image_is_no_error(tmp_path: Path, no_network: None) -> None:
    write_idx(tmp_path / "MNIST" / "raw", train=300, test=20)
    labels = tmp_path / "MNIST" / "raw" / "train-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:8] + bytes([7] + [3] * 299))
    data = load_dataset("mnist", tmp_path, validation_images=100, train_images=150)
    assert (len(data.train), len(data.val), len(data.rest)) == (150, 100, 50)


def test_files_without_anything_to_learn_are_refused(tmp_path: Path, no_network: None) -> None:
    raw = tmp_path / "MNIST" / "raw"
    write_idx(raw, train=199, test=20)
    with pytest.raises(DataError, match="mnist has only 199 training images, fewer than 200"):
        load_dataset("mnist", tmp_path, validation_images=100)
    shutil.rmtree(raw)
    write_idx(raw, train=300, test=20)
    images = raw / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:16] + bytes([9]) * (300 * 28 * 28))
    with pytest.raises(DataError, match="are all of one colour"):
        load_dataset("mnist", tmp_path, validation_images=100)


def test_an_unknown_home_folder_gets_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGIT_SEARCH_DATA", "~nobody-of-that-name/data")
    with pytest.raises(ConfigError, match="no such person's home folder"):
        data_root()


def test_root_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DIGIT_SEARCH_DATA", raising=False)
    assert data_root().name == "digit-search"
    monkeypatch.setenv("DIGIT_SEARCH_DATA", str(tmp_path / "env"))
    assert data_root() == tmp_path / "env"
    assert data_root(tmp_path / "flag") == tmp_path / "flag"


def test_download_has_a_time_out_and_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import datasets

    seen = []

    def download(_self: object) -> None:
        seen.append((socket.getdefaulttimeout(), (tmp_path / ".mnist.lock").exists()))
        raise OSError("timed out")

    monkeypatch.setattr(datasets.MNIST, "download", download)
    with pytest.raises(DataError, match="timed out"):
        load_dataset("mnist", tmp_path)
    assert seen == [(10.0, True)]
    assert socket.getdefaulttimeout() is None


def test_real_mnist(mnist_root: Path) -> None:
    data = load_dataset("mnist", mnist_root)
    assert (len(data.train), len(data.val), len(data.test)) == (50_000, 10_000, 10_000)
    assert data.mean == pytest.approx(0.1307, abs=1e-4)
    assert data.std == pytest.approx(0.3081, abs=1e-4)


def test_what_takes_longer_to_import_than_to_do_is_not_imported(tiny_root: Path) -> None:
    code = "import sys; from pathlib import Path; from model.data import load_dataset\n"
    code += "load_dataset('mnist', Path(sys.argv[1]), validation_images=100)\n"
    code += "assert not {'torchvision', 'sklearn', 'scipy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code, str(tiny_root)], env=environment(), check=True)
