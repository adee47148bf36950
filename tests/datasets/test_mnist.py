import gzip
import http.server
import os
import sys
from functools import partial

import numpy as np
import pytest

from skvae.datasets import _mnist, fetch_mnist, write_idx

N_TRAIN, N_TEST = 12, 7  # of the fixture small_mnist


@pytest.fixture
def small(small_mnist):
    return small_mnist


@pytest.fixture
def put(store):
    return lambda *args: store(_mnist._SUBSETS, *args)


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def local(small, home, put):
    put(small, home / "mnist")
    return partial(fetch_mnist, data_home=home)


# Content of the Bunch.


def test_bunch_holds_scaled_images_and_digits(local, small):
    images, labels = small["train"]
    bunch = local()
    assert bunch.data.dtype == np.float32
    assert bunch.data.shape == (N_TRAIN, 784)
    np.testing.assert_allclose(bunch.data, images.reshape(N_TRAIN, 784) / 255, rtol=1e-6)
    assert bunch.data.min() == 0
    assert bunch.data.max() == 1
    assert bunch.target.dtype == np.int64
    np.testing.assert_array_equal(bunch.target, labels)
    assert bunch.target_names.tolist() == list("0123456789")
    assert bunch.feature_names[29] == "pixel_1_1"
    assert len(bunch.feature_names) == 784
    assert bunch.images.shape == (N_TRAIN, 28, 28)
    assert np.shares_memory(bunch.images, bunch.data)
    assert bunch.frame is None
    assert bunch.DESCR.startswith(".. _mnist_dataset:")


def test_all_is_train_followed_by_test(local, small):
    assert local(subset="test").data.shape == (N_TEST, 784)
    together = local(subset="all")
    assert together.data.shape == (N_TRAIN + N_TEST, 784)
    np.testing.assert_array_equal(together.data[N_TRAIN:], local(subset="test").data)
    np.testing.assert_array_equal(together.target[:N_TRAIN], small["train"][1])


def test_small_images_are_averages_of_blocks(local, small):
    blocks = small["train"][0].reshape(N_TRAIN, 14, 2, 14, 2).mean(axis=(2, 4))
    bunch = local(image_size=14)
    assert bunch.data.dtype == np.float32
    assert bunch.images.shape == (N_TRAIN, 14, 14)
    assert bunch.feature_names[-1] == "pixel_13_13"
    np.testing.assert_allclose(bunch.images, blocks / 255, rtol=1e-6)


@pytest.mark.parametrize("image_size", [28, 14])
def test_binarize_is_a_threshold_at_half(local, small, image_size):
    images = small["train"][0].astype(float)
    if image_size == 14:
        images = images.reshape(N_TRAIN, 14, 2, 14, 2).mean(axis=(2, 4))
    bunch = local(image_size=image_size, binarize=True)
    assert bunch.data.dtype == np.float32
    np.testing.assert_array_equal(bunch.images, images >= 128)


def test_binarize_includes_the_threshold(small, home, put):
    images = np.full((N_TRAIN, 28, 28), 127, dtype=np.uint8)
    images[0, 0, 0] = 128  # the average of its block remains below 128
    images[1] = 128
    put({**small, "train": (images, small["train"][1])}, home / "mnist")
    with pytest.warns(UserWarning, match="other content"):
        full = fetch_mnist(data_home=home, binarize=True)
    assert full.data.sum(axis=1).tolist() == [1, 784] + [0] * (N_TRAIN - 2)
    with pytest.warns(UserWarning, match="other content"):
        half = fetch_mnist(data_home=home, binarize=True, image_size=14)
    assert half.data.sum(axis=1).tolist() == [0, 196] + [0] * (N_TRAIN - 2)


def test_return_X_y_gives_data_and_target(local):
    bunch = local()
    data, target = local(return_X_y=True)
    np.testing.assert_array_equal(data, bunch.data)
    np.testing.assert_array_equal(target, bunch.target)


def test_as_frame_gives_the_same_data(local):
    pd = pytest.importorskip("pandas", reason="as_frame=True needs pandas")
    bunch = local()
    framed = local(as_frame=True)
    assert isinstance(framed.data, pd.DataFrame)
    assert isinstance(framed.target, pd.Series)
    assert framed.target.name == "target"
    assert list(framed.data) == bunch.feature_names
    assert list(framed.frame) == [*bunch.feature_names, "target"]
    assert (framed.data.dtypes == np.float32).all()
    np.testing.assert_array_equal(framed.data, bunch.data)
    np.testing.assert_array_equal(framed.frame["target"], bunch.target)
    data, target = local(as_frame=True, return_X_y=True)
    pd.testing.assert_frame_equal(data, framed.data)
    pd.testing.assert_series_equal(target, framed.target)


def test_as_frame_without_pandas_raises(local, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="fetch_mnist with as_frame=True needs .*'pandas'"):
        local(as_frame=True)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"subset": "valid"}, "'subset' of fetch_mnist must be 'train', 'test' or 'all', got 'v"),
        ({"subset": ["train"]}, "'subset'"),
        ({"image_size": 20}, "'image_size' of fetch_mnist must be 28 or 14, got 20"),
        ({"image_size": True}, "'image_size'"),
        ({"binarize": 1}, "'binarize' of fetch_mnist must be True or False, got 1"),
        ({"return_X_y": None}, "'return_X_y'"),
        ({"as_frame": "auto"}, "'as_frame'"),
        ({"download_if_missing": "no"}, "'download_if_missing'"),
    ],
)
def test_invalid_options_raise(local, option, message):
    with pytest.raises(ValueError, match=message):
        local(**option)


# Local files: where they are searched for, and which are rejected.


def test_data_home_defaults_to_the_environment_variable(local, home, monkeypatch):
    expected = local().data
    monkeypatch.setenv("SKVAE_DATA", str(home))
    np.testing.assert_array_equal(fetch_mnist().data, expected)


def test_data_home_defaults_to_that_of_scikit_learn(local, home, monkeypatch):
    expected = local().data
    monkeypatch.delenv("SKVAE_DATA", raising=False)
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(home))
    np.testing.assert_array_equal(fetch_mnist().data, expected)


def test_compressed_files_are_read(small, home, put):
    put(small, home / "mnist", ".gz")
    np.testing.assert_array_equal(fetch_mnist(data_home=str(home)).target, small["train"][1])


@pytest.mark.parametrize("broken", [0, 1], ids=["images", "labels"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_truncated_local_file_raises_and_is_kept(small, home, put, suffix, broken):
    put(small, home / "mnist", suffix)
    path = home / "mnist" / f"{_mnist._SUBSETS['train'][broken].name}{suffix}"
    content = path.read_bytes()[:-1]
    path.write_bytes(content)
    with pytest.raises(ValueError, match="Delete it, so that it can be downloaded") as caught:
        fetch_mnist(data_home=home)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == content  # only the user may delete it
    fetch_mnist(subset="test", data_home=home)


@pytest.mark.parametrize(
    ("which", "array", "message"),
    [
        (
            0,
            np.zeros((N_TRAIN, 28, 27), np.uint8),
            r"expected uint8 of shape \(n_samples, 28, 28\)",
        ),
        (0, np.zeros((N_TRAIN, 784), np.uint8), r"holds uint8 of shape \(12, 784\)"),
        (0, np.zeros((N_TRAIN, 28, 28), np.float32), "holds float32"),
        (0, np.zeros((), np.uint8), r"of shape \(\)"),
        (1, np.zeros((N_TRAIN, 1), np.uint8), r"expected uint8 of shape \(n_samples\)"),
        (1, np.full(N_TRAIN, 10, np.uint8), "holds the label 10; expected 0 to 9"),
    ],
)
def test_a_local_file_with_another_structure_raises(local, home, which, array, message):
    path = home / "mnist" / _mnist._SUBSETS["train"][which].name
    write_idx(path, array)
    with pytest.raises(ValueError, match=message) as caught:
        local()
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("subset", ["train", "all"])
def test_counts_that_are_not_official_warn_once_at_the_caller(local, small, home, put, subset):
    fewer = tuple(array[:-2] for array in small["train"])
    put({"train": fewer}, home / "mnist")
    with pytest.warns(
        UserWarning, match="train-images-idx3-ubyte has 10 images instead of 12"
    ) as caught:
        bunch = local(subset=subset)
    assert len(bunch.data) == 10 + (N_TEST if subset == "all" else 0)
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_different_numbers_of_images_and_labels_raise(local, small, home):
    write_idx(home / "mnist" / _mnist._SUBSETS["train"][1].name, small["train"][1][:-2])
    with pytest.raises(ValueError, match="12 images in train-images.* but 10 labels"):
        local()


def test_missing_files_without_download_raise(home):
    with pytest.raises(FileNotFoundError, match="neither train-images-idx3-ubyte nor") as caught:
        fetch_mnist(data_home=home, download_if_missing=False)
    assert str(home) in str(caught.value)
    assert not home.exists()


# Downloads.


def test_files_are_downloaded_once(small, mnist_mirror, serve, tmp_path, monkeypatch):
    address, server = serve(mnist_mirror)
    monkeypatch.setattr(_mnist, "_MIRRORS", (address,))
    home = tmp_path / "home"
    bunch = fetch_mnist(data_home=home)
    np.testing.assert_array_equal(bunch.target, small["train"][1])
    assert len(server.requests) == 2
    assert sorted(os.listdir(home / "mnist")) == [
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
    ]
    np.testing.assert_array_equal(fetch_mnist(data_home=home).data, bunch.data)
    assert len(server.requests) == 2


def truncated(path):
    path.write_bytes(path.read_bytes()[:-100])


def other_content(path):
    write_idx(path, np.zeros((N_TRAIN, 28, 28), dtype=np.uint8))


def error_page(path):
    path.write_bytes(b"<html>moved</html>")


def absent(path):
    path.unlink()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (truncated, "gzip stream is damaged or cut short"),
        (other_content, "SHA-256"),
        (error_page, "may be another kind of file"),
        (absent, "404"),
    ],
)
class TestMirrorThatFails:
    @pytest.fixture
    def bad(self, small, put, damage, tmp_path):
        folder = tmp_path / "bad"
        put(small, folder, ".gz")
        damage(folder / "train-images-idx3-ubyte.gz")
        return folder

    def test_the_next_mirror_is_used(
        self, small, mnist_mirror, bad, serve, tmp_path, monkeypatch, reason
    ):
        mirrors = serve(bad)[0], serve(mnist_mirror)[0]
        monkeypatch.setattr(_mnist, "_MIRRORS", mirrors)
        with pytest.warns(UserWarning, match=reason) as caught:
            bunch = fetch_mnist(data_home=tmp_path / "home")
        assert len(caught) == 1
        assert caught[0].filename == __file__
        assert f"{mirrors[0]}train-images-idx3-ubyte.gz" in str(caught[0].message)
        np.testing.assert_allclose(bunch.images * 255, small["train"][0], rtol=1e-6)

    def test_no_file_is_left_behind(self, bad, serve, tmp_path, monkeypatch, reason):
        address = serve(bad)[0]
        monkeypatch.setattr(_mnist, "_MIRRORS", (address,))
        home = tmp_path / "home"
        with (
            pytest.warns(UserWarning, match=reason),
            pytest.raises(OSError, match=f"put the file into (.|\n)*{address}(.|\n)*{reason}"),
        ):
            fetch_mnist(data_home=home)
        assert os.listdir(home / "mnist") == []


def test_after_a_broken_connection_the_next_mirror_is_used(
    mnist_mirror, serve, tmp_path, monkeypatch
):
    class BreaksOff(http.server.SimpleHTTPRequestHandler):
        def copyfile(self, source, outputfile):
            outputfile.write(source.read()[:-50])

    mirrors = serve(mnist_mirror, BreaksOff)[0], serve(mnist_mirror)[0]
    monkeypatch.setattr(_mnist, "_MIRRORS", mirrors)
    with pytest.warns(UserWarning, match="retrieval incomplete"):
        bunch = fetch_mnist(subset="test", data_home=tmp_path / "home")
    assert bunch.data.shape == (N_TEST, 784)


def test_an_unreachable_mirror_raises(small, tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(_mnist, "_MIRRORS", ("http://127.0.0.1:9/",))  # no server listens
    with (
        pytest.warns(UserWarning, match="Could not download http://127.0.0.1:9/train-images"),
        pytest.raises(OSError, match="Check the network"),
    ):
        fetch_mnist(data_home=tmp_path)


# Real data.


def test_official_files_have_the_published_counts_and_moments(mnist):
    """The fetcher checks the digests: a difference warns, and warnings are errors."""
    assert mnist.train.data.shape == (60_000, 784)
    assert mnist.test.data.shape == (10_000, 784)
    counts = np.bincount(mnist.train.target)
    assert counts.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    counts = np.bincount(mnist.test.target)
    assert counts.tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    # Commonly quoted mean and standard deviation of the training pixels.
    data = mnist.train.data
    mean = data.mean(dtype=np.float64)
    mean_square = np.einsum("ij,ij->i", data, data).mean(dtype=np.float64) / 784
    assert mean == pytest.approx(0.1307, abs=5e-5)
    assert np.sqrt(mean_square - mean**2) == pytest.approx(0.3081, abs=5e-5)


def test_official_digests_are_those_of_the_uncompressed_files(mnist):
    """The digests are computed from the bytes, without read_idx."""
    import hashlib
    from pathlib import Path

    folder = Path(os.environ["SKVAE_DATA"]) / "mnist"
    for file in (file for pair in _mnist._SUBSETS.values() for file in pair):
        plain, compressed = folder / file.name, folder / f"{file.name}.gz"
        content = plain.read_bytes() if plain.exists() else gzip.decompress(compressed.read_bytes())
        assert hashlib.sha256(content).hexdigest() == file.sha256
