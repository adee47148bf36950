import tracemalloc

import numpy as np
import pytest

from skvae.datasets import ImageAudit, _audit, audit_images

X = np.array(
    [
        [0, 0, 0],  # blank
        [1, 2, 3],
        [1, 2, 3],  # duplicate, with another label
        [5, 5, 5],  # blank, with another value
        [3, 2, 1],
        [0, 0, 0],  # blank and duplicate
        [1, 2, 3],  # duplicate
    ],
    dtype=np.uint8,
)
Y = np.array([0, 1, 2, 0, 1, 0, 1])
BLANK = [True, False, False, True, False, True, False]
DUPLICATE = [False, False, True, False, False, True, True]
CONFLICTING = [False, True, True, False, False, False, True]
KEEP = [1, 4]


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
def test_masks_mark_the_faulty_images(dtype):
    audit = audit_images(X.astype(dtype), Y)
    assert isinstance(audit, ImageAudit)
    assert audit.blank.tolist() == BLANK
    assert audit.duplicate.tolist() == DUPLICATE
    assert audit.conflicting.tolist() == CONFLICTING
    assert np.flatnonzero(audit.keep).tolist() == KEEP


def test_without_labels_conflicts_are_not_searched_for():
    audit = audit_images(X)
    assert audit.conflicting is None
    assert audit.duplicate.tolist() == DUPLICATE
    assert "conflicting" not in str(audit)


def test_labels_of_any_type_are_accepted():
    assert audit_images(X, list("abcabab")).conflicting.tolist() == CONFLICTING
    assert audit_images(X, np.array([None, 1, "x", None, 1, None, 1])).conflicting.tolist() == (
        CONFLICTING
    )


def test_memory_layout_and_rank_do_not_matter():
    expected = audit_images(X, Y)
    wide = np.asfortranarray(np.repeat(X, 2, axis=1))
    for images in (X.tolist(), wide[:, ::2], wide.reshape(7, 2, 3), X[:, :, np.newaxis]):
        audit = audit_images(images, Y)
        np.testing.assert_array_equal(audit.blank, expected.blank)
        np.testing.assert_array_equal(audit.duplicate, expected.duplicate)


def test_a_single_bit_makes_a_difference():
    images = np.random.default_rng(0).random((2, 50))
    images[1] = images[0]
    assert audit_images(images).duplicate.tolist() == [False, True]
    images[1, 17] = np.nextafter(images[1, 17], 1)
    assert audit_images(images).duplicate.tolist() == [False, False]


def test_masks_agree_with_numpy_unique():
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 2, size=(3000, 9)), rng.integers(0, 3, size=3000)
    audit = audit_images(images, labels)
    _, first, inverse = np.unique(images, axis=0, return_index=True, return_inverse=True)
    inverse = inverse.reshape(-1)
    assert np.flatnonzero(~audit.duplicate).tolist() == sorted(first)
    n_labels = [len(set(labels[inverse == group])) for group in range(len(first))]
    np.testing.assert_array_equal(audit.conflicting, np.array(n_labels)[inverse] > 1)


def test_different_images_with_equal_hashes_are_not_duplicates(monkeypatch):
    expected = audit_images(X, Y)
    monkeypatch.setattr(_audit, "hash", lambda content: 0, raising=False)
    audit = audit_images(X, Y)
    np.testing.assert_array_equal(audit.duplicate, expected.duplicate)
    np.testing.assert_array_equal(audit.conflicting, expected.conflicting)


def test_str_gives_the_counts():
    assert str(audit_images(X, Y)).splitlines() == [
        "        7  images, of which",
        "        3  blank",
        "        3  duplicates of an earlier image",
        "        3  with conflicting labels",
        "        2  neither blank nor duplicate",
    ]


def test_drop_returns_copies_and_changes_nothing():
    before = X.copy()
    audit = audit_images(X, Y)
    np.testing.assert_array_equal(X, before)
    kept_X, kept_y = audit.drop(X, Y)
    np.testing.assert_array_equal(kept_X, X[KEEP])
    np.testing.assert_array_equal(kept_y, Y[KEEP])
    assert not np.shares_memory(kept_X, X)
    np.testing.assert_array_equal(audit.drop(list(Y)), Y[KEEP])


def test_data_frames_remain_data_frames():
    pd = pytest.importorskip("pandas", reason="the test needs pandas")
    frame = pd.DataFrame(X, index=list("abcdefg"))
    audit = audit_images(frame, pd.Series(Y))
    assert audit.blank.tolist() == BLANK
    kept, target = audit.drop(frame, pd.Series(Y, index=frame.index))
    pd.testing.assert_frame_equal(kept, frame.loc[["b", "e"]])
    assert target.index.tolist() == ["b", "e"]


def test_the_result_is_immutable():
    audit = audit_images(X)
    with pytest.raises(AttributeError):
        audit.blank = None


def test_an_empty_set_of_images_is_accepted():
    audit = audit_images(np.empty((0, 784)), [])
    assert audit.keep.shape == (0,)
    assert audit.drop(np.empty((0, 3))).shape == (0, 3)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.zeros(3), None, r"'X' of audit_images has shape \(3,\) and dtype float64; expected"),
        (np.zeros((3, 0)), None, r"has shape \(3, 0\)"),
        (np.array([["a", "b"]]), None, "dtype <U1; expected numeric images"),
        (np.zeros((3, 4)), [1, 2], r"'y' of audit_images has shape \(2,\).*per image, \(3,\)"),
        (np.zeros((3, 4)), np.zeros((3, 1)), r"'y' of audit_images has shape \(3, 1\)"),
    ],
)
def test_invalid_images_and_labels_raise(X, y, message):
    with pytest.raises(ValueError, match=message):
        audit_images(X, y)


def test_drop_with_another_number_of_rows_raises():
    with pytest.raises(ValueError, match="an array of 3 rows, but 7 images"):
        audit_images(X).drop(X[:3])


def test_memory_is_small_compared_with_the_images():
    images = np.random.default_rng(0).integers(0, 256, size=(20_000, 784), dtype=np.uint8)
    tracemalloc.start()
    try:
        audit_images(images)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20_000 * 400


def test_mnist_has_no_faulty_images(mnist):
    audit = audit_images(mnist.train.data, mnist.train.target)
    assert audit.keep.all()
    assert not audit.conflicting.any()


def test_faults_injected_into_real_letters_are_found(emnist):
    images, labels = emnist.test.data.copy(), emnist.test.target.copy()
    clean = audit_images(images, labels)
    images[100], images[200] = images[50], 0
    labels[100] = (labels[50] + 1) % 26
    audit = audit_images(images, labels)
    assert np.flatnonzero(audit.duplicate & ~clean.duplicate).tolist() == [100]
    assert np.flatnonzero(audit.blank & ~clean.blank).tolist() == [200]
    assert np.flatnonzero(audit.conflicting & ~clean.conflicting).tolist() == [50, 100]
