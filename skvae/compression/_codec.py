"""`compress` and `decompress`: rows to bytes and back, by a fitted estimator."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from skvae._base import BaseVAE
from skvae._files.model_file import digest_of
from skvae._rows.arrays import is_frame
from skvae._rows.source import Source
from skvae._validation import check_is_fitted
from skvae.compression._bit_stack import BitStack, Cdf, uniform
from skvae.compression._container import Container
from skvae.compression._frame_codes import FrameCodes, refuse_differences
from skvae.compression._latent_code import LatentGrid
from skvae.compression._row_code import RowCode, same_arithmetic
from skvae.compression._value_grids import ValueGrid

_MOST_ROWS_PER_BYTE = 2**16  # of sound data: every value costs a little, however certain it is


def compress(estimator, X):
    """Compress rows without loss, to about as many bits as the model assigns them.

    The number of bits is that of the ELBO, if X holds whole numbers, names or other steps that the
    model has probabilities for (bits-back coding [1]_). The weights of the model do not count:
    whoever decompresses the rows needs the same model. Needs the extra `compression`.

    Parameters
    ----------
    estimator : VAETransformer, VAEAnomalyDetector, VAEImputer or VAEClassifier
        Fitted, with a prior that is a mixture of normal distributions: 'normal', 'mixture', 'vamp'
        or 'ex_post'.
    X : array-like or data frame of shape (n_samples, n_features)
        Rows in the units of the training data, which the estimator accepts. NaN is a missing value.

    Returns
    -------
    data : bytes
        The rows, with digests of the model and of the rows.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If the prior cannot be coded, if X has values that the likelihood does not accept, or if
        what would be decompressed is not X, as with whole numbers that double precision does not
        hold.
    ImportError
        If the package of the extra is not installed.

    See Also
    --------
    decompress : The inverse.
    skvae.metrics.bits_per_dim : Convert log-likelihoods to bits, to compare.

    Notes
    -----
    For each batch of rows, latent vectors are popped from the bits that are there already, as draws
    from q(z|x); the rows are pushed by p(x|z), and the latent vectors by p(z) [1]_. The entropy
    coder is that of the package `constriction` [2]_. The first row has no bits to pop from and pays
    for its latent vector. The data are decompressed and compared before they are returned.

    *Values.* Every column has a grid: multiples of 1, 0.1, ..., 1e-10 or 1/255 if all of its values
    are such multiples, else all floats of single or double precision. A value has the probability
    of its cell. None is impossible: those to which the model assigns less than 2**-16 times that
    of their neighbours cost 16 bits per halving of the range. Levels of a data frame that did not
    occur in training, and those that share a code, are named besides. Missing values are coded by
    their share in each column.

    *Arithmetic.* Both sides have to compute the same numbers. Networks are evaluated in double
    precision, on the CPU, with a single thread, for batches of the same sizes, and what they return
    is rounded. A machine or a version of torch that computes something else is an error of
    :func:`decompress`, never a wrong row.

    References
    ----------
    .. [1] Townsend, Bird & Barber (2019), "Practical Lossless Compression with Latent Variables
       using Bits Back Coding".
    .. [2] Bamler (2022), "Understanding Entropy Coding With Asymmetric Numeral Systems (ANS): a
       Statistician's Perspective".

    Examples
    --------
    >>> import numpy as np
    >>> import skvae
    >>> from sklearn.datasets import load_digits
    >>> from skvae.likelihoods import Categorical
    >>> X, _ = load_digits(return_X_y=True)
    >>> grey = Categorical(n_categories=17)  # whole numbers from 0 to 16
    >>> vae = skvae.VAETransformer(8, likelihood=grey, max_epochs=5, random_state=0).fit(X[:1000])
    >>> data = skvae.compress(vae, X[1000:])
    >>> len(data) < X[1000:].astype(np.uint8).nbytes / 2
    True
    >>> np.array_equal(skvae.decompress(vae, data), X[1000:])
    True
    """
    _check_estimator("compress", estimator)
    table = _Table.of_rows(estimator, X)
    with same_arithmetic():
        data = _pack(estimator, table)
        again = _unpack(estimator, data, "skvae.compress")
    _refuse_differences(X, again.rows())
    return data


def decompress(estimator, data):
    """Return the rows that :func:`compress` compressed.

    Parameters
    ----------
    estimator : VAETransformer, VAEAnomalyDetector, VAEImputer or VAEClassifier
        The estimator that compressed them, or one that was loaded from its file.
    data : bytes
        What :func:`compress` returned.

    Returns
    -------
    X : ndarray or data frame of shape (n_samples, n_features)
        An array has the dtype of the compressed one. A data frame is like that of training, as that
        of `reconstruct` is; levels that did not occur in training come after the others.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If the data are damaged or come from elsewhere, if another model compressed them, or if this
        machine computes other numbers than the one that did.
    ImportError
        If the package of the extra `compression` is not installed.

    See Also
    --------
    compress : The inverse, with an account of the method.

    Examples
    --------
    >>> import numpy as np
    >>> import skvae
    >>> from sklearn.datasets import load_iris
    >>> X, _ = load_iris(return_X_y=True)
    >>> vae = skvae.VAETransformer(2, max_epochs=2, random_state=0).fit(X)
    >>> data = skvae.compress(vae, X)
    >>> np.array_equal(skvae.decompress(vae, data), X)
    True
    >>> skvae.decompress(vae, data[:-1])
    Traceback (most recent call last):
        ...
    ValueError: The compressed rows are damaged: they were cut or altered. ...
    """
    _check_estimator("decompress", estimator)
    if not isinstance(data, bytes | bytearray | memoryview):
        raise ValueError(
            f"'data' must be the bytes that skvae.compress returned, got {type(data).__name__}. "
            "Read a file with pathlib.Path(name).read_bytes()."
        )
    with same_arithmetic():
        table = _unpack(estimator, bytes(data), "skvae.decompress")
    return table.rows()


@dataclass
class _Table:
    """Rows as numbers, with the form in which they came.

    Parameters
    ----------
    numbers : ndarray of float64 of shape (n_rows, n_columns)
        NaN for missing values; of frames by their full schema.
    codes : FrameCodes or None
        Of a data frame.
    dtype : str
        Of an array.
    """

    numbers: np.ndarray
    codes: FrameCodes | None
    dtype: str

    @classmethod
    def of_rows(cls, estimator: BaseVAE, X: Any) -> _Table:
        """Return checked rows."""
        checked = estimator._check_rows(X)
        if isinstance(checked, Source):
            checked = np.concatenate(list(checked.blocks()))
        if estimator._schema is not None and is_frame(X):
            codes = FrameCodes.of_frame(estimator._schema, X)
            return cls(_with_plain_gaps(codes.full.encode(X)), codes, "")
        dtype = checked.dtype if np.isnan(checked).any() else _type_of_array(X, checked.dtype)
        exact = X if dtype.kind in "iu" else checked
        return cls(_with_plain_gaps(np.asarray(exact, dtype=np.float64)), None, dtype.str)

    def rows(self) -> Any:
        """Return the rows in the form in which they came."""
        if self.codes is not None:
            return self.codes.decode(self.numbers)
        return self.numbers.astype(np.dtype(self.dtype))

    def digest(self) -> bytes:
        """Return a digest of the numbers."""
        return hashlib.sha256(self.numbers.astype("<f8").tobytes()).digest()


def _type_of_array(X: Any, dtype: np.dtype) -> np.dtype:
    """Return the type of an array of numbers, or else that of the checked rows."""
    if isinstance(X, np.ndarray) and not np.ma.isMaskedArray(X) and X.dtype.kind in "biuf":
        return X.dtype
    return dtype


def _with_plain_gaps(numbers: np.ndarray) -> np.ndarray:
    """Return rows with one NaN, of which there are many."""
    return np.where(np.isnan(numbers), np.nan, numbers)


def _pack(estimator: BaseVAE, table: _Table) -> bytes:
    code, stack = RowCode(estimator.module_), BitStack("skvae.compress")
    header: dict[str, Any] = {"n": len(table.numbers)}
    rows = table.numbers
    if table.codes is None:
        header["dtype"] = table.dtype
    else:
        header["new_levels"] = table.codes.new_levels
        rows, members = table.codes.split(rows)
        groups = zip(table.codes.groups(), members, strict=True)
        for (*_, size), own in reversed(list(groups)):
            stack.push(own, 0, size - 1, uniform(0, size - 1))
    grid, missing = _grid_of(rows), np.isnan(rows)
    latents = code.push(stack, grid.numbers(rows), grid, missing)
    if missing.any():
        header["n_missing"] = missing.sum(axis=0).tolist()
        stack.push(missing.astype(np.int64), 0, 1, _of_gaps(missing.mean(axis=0)))
    header |= {"grid": grid.state(), "latents": list(latents)}
    digests = _digest_of(estimator), code.probe, table.digest()
    return Container(*digests, header, stack.payload).pack()


def _unpack(estimator: BaseVAE, data: bytes, caller: str) -> _Table:
    container = Container.unpack(data)
    if not container.is_of_model(_digest_of(estimator)):
        raise ValueError(
            "The rows were compressed by another model than this estimator. Load the model that "
            "compressed them; a model that is fitted again is another one."
        )
    code = RowCode(estimator.module_)
    if not container.has_probe(code.probe):
        raise ValueError(
            "The rows were compressed where this model computes other numbers than here. "
            "Decompress them with the same version of torch, and on a similar CPU."
        )
    try:
        table = _read(estimator, code, container, caller)
    except (LookupError, TypeError, ArithmeticError, ValueError) as exc:
        raise ValueError(f"The compressed rows are unsound: {exc}.") from exc
    if not container.holds(table.digest()):
        raise ValueError(
            "The decompressed rows are not those that were compressed, because this machine rounds "
            "differently. Decompress them with the same version of torch, and on the same kind of "
            "CPU."
        )
    return table


def _read(estimator: BaseVAE, code: RowCode, container: Container, caller: str) -> _Table:
    """Return the rows in a container, of which nothing is trusted."""
    header, n_columns = container.header, estimator.module_.parts.n_features
    n_rows = header["n"]
    if not (isinstance(n_rows, int) and 0 < n_rows <= _MOST_ROWS_PER_BYTE * len(container.payload)):
        raise ValueError(f"{len(container.payload)} bytes do not hold {n_rows} rows")
    grid = ValueGrid.from_state(header["grid"], n_columns)
    latents = LatentGrid(*map(int, header["latents"])).checked()
    stack = BitStack(caller, container.payload)
    missing = np.zeros((n_rows, n_columns), dtype=bool)
    if "n_missing" in header:
        shares = np.array(header["n_missing"], dtype=np.float64) / n_rows
        missing = stack.pop(missing.shape, 0, 1, _of_gaps(shares)).astype(bool)
    rows = np.where(missing, np.nan, grid.values(code.pop(stack, grid, latents, missing)))
    if "new_levels" not in header:
        return _Table(rows, None, _checked_type(header["dtype"]))
    if estimator._schema is None:
        raise ValueError("a data frame needs a model that was trained on one")
    codes = FrameCodes(estimator._schema, header["new_levels"])
    members = [
        stack.pop((int((rows[:, place] == common).sum()),), 0, size - 1, uniform(0, size - 1))
        for place, common, _, size in codes.groups()
    ]
    return _Table(codes.joined(rows, members), codes, "")


def _checked_type(name: Any) -> str:
    dtype = np.dtype(name)
    if dtype.kind not in "biuf":
        raise ValueError(f"{dtype} is no type of numbers")
    return dtype.str


def _grid_of(rows: np.ndarray) -> ValueGrid:
    """Return the grid of the values; of few wide rows with a single range, which is shorter."""
    grid = ValueGrid.of_rows(rows)
    is_uniform = len({*zip(grid.scale.tolist(), grid.short.tolist(), strict=True)}) == 1
    return grid.in_common() if is_uniform and len(rows) < rows.shape[1] else grid


def _of_gaps(shares: np.ndarray) -> Cdf:
    """Return the distribution function of 1 for a missing value and 0 for others."""
    return lambda x: np.where(x < 0, 0.0, np.where(x < 1, 1 - shares, 1.0))


def _digest_of(estimator: BaseVAE) -> bytes:
    """Return a digest of the weights and the parts of a model, and of its columns."""
    schema = None if estimator._schema is None else estimator._schema.state()
    text = repr(estimator.module_.parts) + json.dumps(schema, default=repr)
    weights = estimator.module_.state_dict()
    return bytes.fromhex(
        digest_of(text, {name: own.cpu().contiguous() for name, own in weights.items()})
    )


def _refuse_differences(X: Any, decoded: Any) -> None:
    """Refuse rows that would not come back as they were.

    Raises
    ------
    ValueError
        If they would not.
    """
    if is_frame(decoded):
        refuse_differences(X, decoded)
    elif isinstance(X, np.ndarray) and X.dtype == decoded.dtype:
        same = (decoded == X) | ((decoded != decoded) & (X != X))
        if not same.all():
            row, column = np.argwhere(~same)[0].tolist()
            raise ValueError(
                f"X holds {X[row, column]!r} in column {column}, row {row} (counted from 0), which "
                "double precision does not hold. Round it, or subtract an offset."
            )


def _check_estimator(caller: str, estimator: Any) -> None:
    if not isinstance(estimator, BaseVAE):
        remedy = " For a pipeline, pass its step: pipeline[-1]." * hasattr(estimator, "steps")
        raise ValueError(
            f"skvae.{caller} takes a fitted estimator of skvae, got {type(estimator).__name__}."
            f"{remedy}"
        )
    check_is_fitted(estimator)
