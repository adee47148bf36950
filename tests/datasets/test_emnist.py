import os
import string
import zipfile
from functools import partial

import numpy as np
import pytest

from skvae.datasets import _emnist, fetch_emnist, write_idx

N_TRAIN, N_TEST = 12, 7  # of the fixture small_emnist

MERGED = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"
CLASSES = {
    "letters": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "balanced": MERGED,
    "byclass": string.digits + string.ascii_uppercase + string.ascii_lowercase,
    "bymerge": MERGED,
    "digits": string.digits,
    "mnist": string.digits,
}
# Training and test images; NIST publishes the sums (letters: 145,600).
COUNTS = {
    "letters": (124_800, 20_800),
    "balanced": (112_800, 18_800),
    "byclass": (697_932, 116_323),
    "bymerge": (697_932, 116_323),
    "digits": (240_000, 40_000),
    "mnist": (60_000, 10_000),
}


def names(split, subset="train"):
    stem = f"emnist-{split}-{subset}"
    return [f"{stem}-images-idx3-ubyte", f"{stem}-labels-idx1-ubyte"]


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def local(small_emnist, store, home):
    """The fetcher, with all splits on disk."""
    for split, pairs in small_emnist.items():
        store(_emnist._collection(split).subsets, pairs, home / "emnist")
    return partial(fetch_emnist, data_home=home)


@pytest.fixture
def mirrors(emnist_mirror, serve, monkeypatch):
    """Server of the archive, in the table of mirrors."""
    address, server = serve(emnist_mirror)
    monkeypatch.setattr(_emnist, "_MIRRORS", (address,))
    return server


# Content of the Bunch.


@pytest.mark.parametrize("split", COUNTS)
def test_official_counts_and_names(split):
    subsets = _emnist._collection(split).subsets
    assert [file.name for file in subsets["train"] + subsets["test"]] == [
        *names(split, "train"),
        *names(split, "test"),
    ]
    assert [file.shape[0] for pair in subsets.values() for file in pair] == [
        count for count in COUNTS[split] for _ in range(2)
    ]
    assert {file.shape[1:] for images, _ in subsets.values() for file in [images]} == {(28, 28)}


@pytest.mark.parametrize("split", CLASSES)
def test_bunch_holds_upright_images_and_classes(local, small_emnist, split):
    images, labels = small_emnist[split]["train"]
    bunch = local(split=split)
    upright = np.stack([image.T for image in images])
    np.testing.assert_allclose(bunch.images, upright / 255, rtol=1e-6)
    assert bunch.data.shape == (N_TRAIN, 784)
    assert bunch.data.dtype == np.float32
    assert bunch.data.flags.c_contiguous
    assert np.shares_memory(bunch.images, bunch.data)
    assert bunch.target.dtype == np.int64
    assert "".join(bunch.target_names) == CLASSES[split]
    first = 1 if split == "letters" else 0
    expected = [CLASSES[split][label - first] for label in labels]
    assert bunch.target_names[bunch.target].tolist() == expected
    assert bunch.DESCR.startswith(".. _emnist_dataset:")


def test_letters_are_the_default(local):
    np.testing.assert_array_equal(local().data, local(split="letters").data)


def test_all_is_train_followed_by_test(local, small_emnist):
    assert local(subset="test").data.shape == (N_TEST, 784)
    together = local(subset="all")
    np.testing.assert_array_equal(together.data[:N_TRAIN], local().data)
    np.testing.assert_array_equal(together.data[N_TRAIN:], local(subset="test").data)
    assert together.target.shape == (N_TRAIN + N_TEST,)


def test_small_and_binary_images_are_upright_too(local):
    full = local(split="digits")
    blocks = (full.images * 255).reshape(N_TRAIN, 14, 2, 14, 2).mean(axis=(2, 4))
    half = local(split="digits", image_size=14)
    assert half.data.flags.c_contiguous
    np.testing.assert_allclose(half.images, blocks / 255, atol=1e-6)
    binary = local(split="digits", binarize=True)
    np.testing.assert_array_equal(binary.data, full.data >= 128 / 255)


def test_return_X_y_and_as_frame_give_the_same_data(local):
    pd = pytest.importorskip("pandas", reason="as_frame=True needs pandas")
    bunch = local()
    data, target = local(return_X_y=True)
    np.testing.assert_array_equal(data, bunch.data)
    np.testing.assert_array_equal(target, bunch.target)
    data, target = local(return_X_y=True, as_frame=True)
    assert isinstance(data, pd.DataFrame)
    np.testing.assert_array_equal(data, bunch.data)
    np.testing.assert_array_equal(target, bunch.target)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            {"split": "upper"},
            "'split' of fetch_emnist must be 'letters', .*or 'mnist', got 'upper'",
        ),
        ({"split": None}, "'split' of fetch_emnist"),
        ({"split": ["letters"]}, "'split' of fetch_emnist"),
        ({"subset": "valid"}, "'subset' of fetch_emnist must be 'train', 'test' or 'all', got 'v"),
        ({"image_size": 20}, "'image_size' of fetch_emnist"),
        ({"binarize": 1}, "'binarize' of fetch_emnist"),
    ],
)
def test_invalid_options_raise(local, option, message):
    with pytest.raises(ValueError, match=message):
        local(**option)


# Local files.


@pytest.mark.parametrize(("subset", "n_samples"), [("train", 10), ("test", 5), ("all", 15)])
def test_counts_that_are_not_official_warn_once_at_the_caller(
    small_emnist, store, home, subset, n_samples
):
    fewer = {
        name: tuple(array[:-2] for array in pair) for name, pair in small_emnist["letters"].items()
    }
    store(_emnist._collection("letters").subsets, fewer, home / "emnist", ".gz")
    with pytest.warns(UserWarning, match="official EMNIST letters") as caught:
        bunch = fetch_emnist(subset=subset, data_home=home)
    assert len(bunch.data) == n_samples
    assert len(caught) == 1
    assert caught[0].filename == __file__
    message = str(caught[0].message)
    assert "will not be comparable with published ones" in message
    assert ("has 10 images instead of 12" in message) is (subset != "test")
    assert ("has 5 images instead of 7" in message) is (subset != "train")


@pytest.mark.parametrize(
    ("split", "label", "expected"),
    [("letters", 0, "1 to 26"), ("letters", 27, "1 to 26"), ("bymerge", 47, "0 to 46")],
)
def test_labels_of_another_split_raise(local, home, split, label, expected):
    path = home / "emnist" / names(split)[1]
    write_idx(path, np.full(N_TRAIN, label, dtype=np.uint8))
    message = f"holds the label {label}; expected {expected}. Replace it with the file of EMNIST"
    with pytest.raises(ValueError, match=message) as caught:
        local(split=split)
    assert str(path) in str(caught.value)


def test_missing_files_without_download_raise(small_emnist, home):
    with pytest.raises(FileNotFoundError, match="images-idx3-ubyte.gz nor gzip.zip") as caught:
        fetch_emnist(split="digits", data_home=home, download_if_missing=False)
    assert str(home) in str(caught.value)
    assert not home.exists()


# The archive.


def test_the_archive_is_downloaded_once_and_only_requested_files_are_unpacked(
    mirrors, small_emnist, home, capfd
):
    bunch = fetch_emnist(data_home=home)
    labels = small_emnist["letters"]["train"][1]
    np.testing.assert_array_equal(bunch.target, labels.astype(int) - 1)
    assert mirrors.requests == ["/gzip.zip"]
    compressed = [f"{name}.gz" for name in names("letters")]
    assert sorted(os.listdir(home / "emnist")) == [*compressed, "gzip.zip"]
    assert "gzip.zip: 100%" in capfd.readouterr().err
    # Other files are unpacked from the existing archive.
    fetch_emnist(split="mnist", subset="all", data_home=home, download_if_missing=False)
    assert mirrors.requests == ["/gzip.zip"]
    # Unpacked files are used without the archive.
    (home / "emnist" / "gzip.zip").unlink()
    again = fetch_emnist(data_home=home, download_if_missing=False)
    np.testing.assert_array_equal(again.data, bunch.data)


def test_unpacking_does_not_change_local_files(mirrors, small_emnist, store, home):
    subsets = _emnist._collection("letters").subsets
    store(subsets, {"train": small_emnist["letters"]["train"]}, home / "emnist")
    before = {path: path.stat().st_mtime_ns for path in (home / "emnist").iterdir()}
    fetch_emnist(subset="all", data_home=home)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(os.listdir(home / "emnist")) == 5


def truncated(path):
    path.write_bytes(path.read_bytes()[:-100])


def corrupted(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def another_archive(path):
    with zipfile.ZipFile(path, "w") as content:
        content.writestr("gzip/emnist-letters-train-images-idx3-ubyte.gz", b"x")


def absent(path):
    path.unlink()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (truncated, "MD5 .*; expected .* bytes and"),
        (corrupted, "MD5"),
        (another_archive, "MD5"),
        (absent, "404"),
    ],
)
class TestMirrorThatFails:
    @pytest.fixture
    def bad(self, emnist_mirror, damage, tmp_path):
        path = tmp_path / "bad" / "gzip.zip"
        path.parent.mkdir()
        path.write_bytes((emnist_mirror / "gzip.zip").read_bytes())
        damage(path)
        return path.parent

    def test_the_next_mirror_is_used(
        self, emnist_mirror, small_emnist, bad, serve, home, monkeypatch, reason
    ):
        addresses = serve(bad)[0], serve(emnist_mirror)[0]
        monkeypatch.setattr(_emnist, "_MIRRORS", addresses)
        with pytest.warns(UserWarning, match=reason) as caught:
            bunch = fetch_emnist(split="digits", data_home=home)
        assert len(caught) == 1
        assert caught[0].filename == __file__
        assert f"{addresses[0]}gzip.zip" in str(caught[0].message)
        np.testing.assert_array_equal(bunch.target, small_emnist["digits"]["train"][1])

    def test_no_file_is_left_behind(self, bad, serve, home, monkeypatch, reason):
        monkeypatch.setattr(_emnist, "_MIRRORS", (serve(bad)[0],))
        with (
            pytest.warns(UserWarning, match=reason),
            pytest.raises(OSError, match=f"Could not download gzip.zip from any(.|\n)*{reason}"),
        ):
            fetch_emnist(data_home=home)
        assert os.listdir(home / "emnist") == []


def test_a_damaged_local_archive_raises_and_is_kept(mirrors, emnist_mirror, home):
    path = home / "emnist" / "gzip.zip"
    path.parent.mkdir(parents=True)
    path.write_bytes((emnist_mirror / "gzip.zip").read_bytes())
    truncated(path)
    size = path.stat().st_size
    with pytest.raises(ValueError, match="MD5.*Delete it, so that it can be down") as caught:
        fetch_emnist(data_home=home)
    assert str(path) in str(caught.value)
    assert path.stat().st_size == size
    assert os.listdir(path.parent) == ["gzip.zip"]


# Real data.


def test_real_letters_have_26_classes_in_the_unit_interval(emnist):
    for part in emnist.values():
        assert part.data.shape == (len(part.target), 784)
        assert part.data.min() == 0
        assert part.data.max() == 1
        assert np.unique(part.target).tolist() == list(range(26))
        assert "".join(part.target_names) == string.ascii_uppercase


def test_a_subset_of_the_letters_warns(emnist):
    """The usual test data are a subset of 10,452 and 2,598 letters."""
    counts = len(emnist.train.data), len(emnist.test.data)
    if counts == COUNTS["letters"]:
        fetch_emnist(subset="all", download_if_missing=False)  # warnings are errors
        return
    with pytest.warns(UserWarning, match=f"{counts[0]:,} images instead of 124,800.*") as caught:
        fetch_emnist(subset="all", download_if_missing=False)
    assert len(caught) == 1
    assert f"{counts[1]:,} images instead of 20,800" in str(caught[0].message)


def mean_image(part, letter):
    return part.images[part.target_names[part.target] == letter].mean(axis=0)


def test_real_letters_are_upright(emnist):
    """Each comparison of the ink in two regions would be reversed in transposed images."""
    bar, letter_l = mean_image(emnist.train, "T"), mean_image(emnist.train, "L")
    assert bar[4:9].sum() > 1.3 * bar[:, 4:9].sum()  # T: top, not left
    assert letter_l[14:, :14].sum() > 1.2 * letter_l[:14, 14:].sum()  # L: low left, not top right
    letter_a = mean_image(emnist.train, "A")
    mirrored = np.abs(letter_a - letter_a[:, ::-1]).sum()
    assert mirrored < np.abs(letter_a - letter_a[::-1]).sum()  # A: left resembles right
