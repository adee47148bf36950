"""The explorer: one HTML page with a map of rows and a decoder that runs in the browser."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import math
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.colors import to_hex
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.utils import check_array

from skvae._base import EmbeddingMixin
from skvae._disk.replacing import replacing
from skvae._rows.arrays import evenly_spaced, is_frame
from skvae._rows.columns import UNITS, Column
from skvae._validation import check_count
from skvae.plotting._class_styles import MOST_CLASSES, styles_of
from skvae.plotting._decoder_program import decoder_program
from skvae.plotting._drawn_tables import read_drawn
from skvae.plotting._latent_space_display import _read_labels
from skvae.plotting._pipelines import Opened
from skvae.plotting._rows_display import image_shape_of, settled_kind

_ASSETS = Path(__file__).with_name("_explorer_page")
_LARGEST_PAGE = 2_900_000  # bytes
_FEWEST_ROWS = 50
_FEWEST_ON_LINE = 8  # features, for them to be drawn as a curve
_SHADES = 32  # of numbers to colour by
_KINDS = ("auto", "image", "line", "table")
_GAP = 65535  # stands for a missing value of a curve
_FRAME_HEIGHT = 760  # pixels, in a notebook


def explorer(
    estimator,
    X,
    y=None,
    *,
    components=None,
    kind="auto",
    image_shape=None,
    feature_names=None,
    max_rows=2000,
    title="Latent space",
):
    """Make a page on which the latent space can be explored in a browser.

    The page is one HTML file that needs no network. It shows a map of the rows over their density.
    Hovering shows a row; clicking or dragging decodes the place under the pointer while it moves,
    as do the sliders of the latent dimensions and a path from row to row. The decoder runs in the
    browser.

    Parameters
    ----------
    estimator : VAETransformer, VAEAnomalyDetector, VAEClassifier or Pipeline
        Fitted estimator, or a :class:`~sklearn.pipeline.Pipeline` that ends in one and whose
        earlier steps transform the rows.
    X : array-like or data frame of shape (n_samples, n_features)
        Rows in the units of the training data.
    y : array-like of shape (n_samples,), default=None
        Classes or numbers to colour by.
    components : tuple of (int, int), default=None
        The two latent dimensions of the map. None projects more than two dimensions onto their
        first two principal components.
    kind : {"auto", "image", "line", "table"}, default="auto"
        How rows are shown. "auto" is "image" or "table" as in :class:`ReconstructionDisplay`, and
        "line" for at least eight features that share one scale, as those of a spectrum do, but are
        no square image.
    image_shape : tuple of (height, width) or (height, width, 3), default=None
        Shape of the images; None assumes square greyscale images.
    feature_names : array-like of str of shape (n_features,), default=None
        Names of the features; None takes those of the data frame or the estimator, else "x0",
        "x1", ….
    max_rows : int, default=2000
        Largest number of rows on the map. They are evenly spaced among the rows of X. If the page
        would be larger than 2.9 MB, the number is halved until it is not, down to 50.
    title : str, default="Latent space"
        Heading of the page.

    Returns
    -------
    page : Explorer
        Its method `save` writes the page; a notebook shows it.

    Raises
    ------
    ValueError
        If the decoder or the likelihood has an operation that cannot run in the browser, with the
        module that it belongs to; or if the estimator does not decode latent vectors.

    See Also
    --------
    ManifoldDisplay : A picture of a decoded plane of the latent space.

    Notes
    -----
    The page holds the rows that it shows, the classes, and the decoder, whose large matrices are in
    half precision. Decoded values differ from those of `inverse_transform` by less than a hundredth
    of the range. Any decoder of linear layers, convolutions, normalisation, activations and
    arithmetic can be shown. The parts of a table with text or categories are probabilities of the
    levels.

    A drag moves the point within the plane of the map, and leaves its distance from the plane as it
    is. A click on a row goes to the row itself.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_digits
    >>> from skvae import VAETransformer
    >>> from skvae.plotting import explorer
    >>> X, y = load_digits(return_X_y=True)
    >>> vae = VAETransformer(n_components=2, max_epochs=2, random_state=0).fit(X)
    >>> page = explorer(vae, X, y, max_rows=500)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page.save(Path(folder) / "map.html")
    >>> page.n_shown
    500
    """
    check_count("max_rows", max_rows)
    if kind not in _KINDS:
        raise ValueError(f"'kind' must be one of {_KINDS}, got {kind!r}.")
    model = Opened(estimator)
    if not isinstance(model.estimator, EmbeddingMixin):
        raise ValueError(
            f"explorer decodes latent vectors, which {type(model.estimator).__name__} does not. "
            "Pass a VAETransformer, a VAEAnomalyDetector or a VAEClassifier."
        )
    rows = model.rows(X)
    Z = model.estimator.posterior(rows.given)[0]
    content = _Rows(
        model.estimator, rows.given, rows.names if feature_names is None else feature_names
    )
    content.settle(kind, image_shape)
    program = decoder_program(content.decode, content.module.decoder, torch.zeros(1, Z.shape[1]))
    order = np.argsort(-Z.std(axis=0), kind="stable").tolist()
    data = {
        "program": program,
        "plane": _plane(Z, components),
        "order": order,
        "n_components": Z.shape[1],
        "kind": content.kind,
    }
    n_shown = min(max_rows, len(Z))
    while True:
        kept = evenly_spaced(len(Z), n_shown)
        page = Explorer(title, {**data, **_of_rows(Z, kept, y), **content.shown(kept)}, len(Z))
        if len(page.html) <= _LARGEST_PAGE or n_shown <= _FEWEST_ROWS:
            return page
        n_shown //= 2


class Explorer:
    """A page that :func:`explorer` made.

    Parameters
    ----------
    title : str
        Heading of the page.
    data : dict
        What the page shows, as values that JSON can hold.
    n_rows : int
        Number of rows that the page was made from.

    Attributes
    ----------
    html : str
        The page.
    n_shown : int
        Number of rows that it shows.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAETransformer
    >>> from skvae.plotting import explorer
    >>> X, y = load_iris(return_X_y=True)
    >>> vae = VAETransformer(n_components=2, max_epochs=2, random_state=0).fit(X)
    >>> explorer(vae, X, y)
    Explorer(150 of 150 rows)
    """

    def __init__(self, title: str, data: dict[str, Any], n_rows: int):
        self.n_rows = n_rows
        self.n_shown = data["n_shown"]
        dimensions = f"{data['n_components']} latent dimension{'s' * (data['n_components'] > 1)}"
        of_all = "" if self.n_shown == n_rows else f" of {n_rows:,}"
        summary = f"{self.n_shown:,}{of_all} rows · {dimensions}"
        self.html = _joined(str(title), {**data, "summary": summary})

    def save(self, path) -> None:
        """Write the page, whole or not at all.

        Parameters
        ----------
        path : str or path-like
            The file, replaced if it exists. Its usual ending is ``.html``.

        Raises
        ------
        OSError
            If the folder or the disk cannot take the file.
        """
        with replacing(path) as scratch:
            scratch.write_text(self.html, encoding="utf-8")

    def __repr__(self) -> str:
        return f"Explorer({self.n_shown} of {self.n_rows} rows)"

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" sandbox="allow-scripts" '
            'title="Explorer of a latent space" '
            f'style="width: 100%; height: {_FRAME_HEIGHT}px; border: 0"></iframe>'
        )


def _joined(title: str, data: dict[str, Any]) -> str:
    """Return the page, in which names and labels from the rows cannot be read as HTML.

    Its policy allows the page's own script and style alone, by their hashes.
    """
    style, *scripts = (
        (_ASSETS / name).read_text(encoding="utf-8")
        for name in ("explorer.css", "decoder.js", "explorer.js")
    )
    script = "".join(scripts)
    parts = {
        "policy": f"default-src 'none'; img-src data:; script-src {_hash(script)}; "
        f"style-src {_hash(style)}",
        "title": html.escape(title),
        "style": style,
        "script": script,
        "data": _json(data),
    }
    before, *others = (_ASSETS / "template.html").read_text(encoding="utf-8").split("{{")
    pieces = [before]
    for other in others:  # in one pass, as values may hold braces themselves
        name, _, rest = other.partition("}}")
        pieces += [parts[name], rest]
    return "".join(pieces)


def _json(data: dict[str, Any]) -> str:
    """Return JSON without a sign that ends or opens an element."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _as_text(values: np.ndarray) -> dict[str, str]:
    values = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<")))
    text = base64.b64encode(values.tobytes()).decode("ascii")
    return {"type": values.dtype.str[1:], "data": text}


def _plane(Z: np.ndarray, components: tuple[int, int] | None) -> dict[str, Any]:
    """Return the plane of the map: a point, two directions, and the names of the axes."""
    n_components = Z.shape[1]
    if components is None and n_components > 2 and len(Z) > 1:
        projection = PCA(2, random_state=0).fit(Z)
        shares = projection.explained_variance_ratio_
        return {
            "centre": projection.mean_.tolist(),
            "basis": projection.components_.tolist(),
            "names": [f"component {i} ({share:.0%})" for i, share in enumerate(shares, start=1)],
        }
    components = tuple(range(min(2, n_components))) if components is None else tuple(components)
    known = len(set(components)) == min(2, n_components)
    if not known or not all(0 <= component < n_components for component in components):
        raise ValueError(
            f"'components' must be two different numbers below {n_components}, the number of "
            f"latent dimensions, got {components}."
        )
    basis = np.eye(n_components)[list(components)]
    if n_components == 1:
        basis = np.vstack([basis, [[0.0]]])
    names = [f"z{component}" for component in components]
    return {"centre": [0.0] * n_components, "basis": basis.tolist(), "names": names}


def _of_rows(Z: np.ndarray, kept: np.ndarray, y: Any) -> dict[str, Any]:
    """Return where the rows are, and their classes."""
    points = Z[kept]
    start = int(np.square(points - points.mean(axis=0)).sum(axis=1).argmin())
    end = int(np.square(points - points[start]).sum(axis=1).argmax())
    return {
        "n_shown": len(kept),
        "numbers": kept.tolist(),
        "embedding": _as_text(points.astype(np.float32)),
        "ends": [start, end],
        "labels": None if y is None else _labels(y, Z, kept),
    }


def _labels(y: Any, Z: np.ndarray, kept: np.ndarray) -> dict[str, Any]:
    labels = _read_labels(y, Z)
    series = nw.from_native(y, series_only=True, pass_through=True)
    name = str(series.name or "") if isinstance(series, nw.Series) else ""
    if labels.classes is None:
        return {"name": name, **_shades(labels.values, kept)}
    n_classes = len(labels.classes)
    if n_classes > MOST_CLASSES:
        raise ValueError(
            f"'y' has {n_classes} classes, but no more than {MOST_CLASSES} can be told apart. "
            "Pass fewer classes, or numbers."
        )
    colours = [style["color"] for style in styles_of(labels.classes)]
    return {
        "name": name,
        "codes": _as_text(labels.values[kept].astype(np.uint8)),
        "texts": [text.replace(r"\$", "$") for text in labels.classes],
        "palette": ["ink" if colour == "#000000" else colour for colour in colours],
        "scale": None,
    }


def _shades(values: np.ndarray, kept: np.ndarray) -> dict[str, Any]:
    """Return numbers as shades of one scale; missing ones have the lowest."""
    low, high = np.nanmin(values), np.nanmax(values)
    share = np.nan_to_num((values[kept] - low) / (high - low or 1.0))
    codes = np.minimum((share * _SHADES).astype(np.uint8), _SHADES - 1)
    shades = colormaps["viridis"](np.linspace(0, 1, _SHADES))
    return {
        "codes": _as_text(codes),
        "texts": [],
        "palette": [to_hex(shade) for shade in shades],
        "scale": [f"{low:.4g}", f"{high:.4g}"],
    }


class _Rows:
    """Rows as the page shows them, and how it decodes them."""

    def __init__(self, estimator: Any, X: Any, names: list[Any] | None):
        self.estimator, self.module = estimator, estimator.module_
        self.module = self.module.in_precision(np.dtype(np.float32))
        schema = estimator._schema
        is_table = schema is not None and is_frame(X)
        self.X = (
            schema.encode(X)
            if is_table
            else check_array(
                X, dtype=np.float64, accept_sparse=False, ensure_all_finite="allow-nan"
            )
        )
        if schema is not None:
            self.columns = list(schema.columns)
        else:
            names = [f"x{i}" for i in range(self.X.shape[1])] if names is None else list(names)
            self.columns = [Column(name, "real", "real", "float64") for name in names]
        if len(self.columns) != self.X.shape[1]:
            raise ValueError(
                f"'feature_names' has {len(self.columns)} names for rows of {self.X.shape[1]} "
                "features. Pass one name for each feature."
            )

    def settle(self, kind: str, image_shape: Any) -> None:
        """Decide how the rows are shown, and refuse what does not fit them."""
        are_numbers = all(column.base in ("real", "whole") for column in self.columns)
        if kind in ("image", "line") and not are_numbers:
            raise ValueError(
                f"The rows have text, categories, booleans or dates, and cannot be shown as "
                f"kind={kind!r}. Leave out 'kind'."
            )
        if kind == "auto":
            kind = settled_kind(self.estimator, image_shape)
            one_scale = self.module.likelihood.scaling == "global"
            if kind == "table" and are_numbers and one_scale and self.X.shape[1] >= _FEWEST_ON_LINE:
                kind = "line"
        self.kind = kind
        if kind == "image":
            self.image_shape = image_shape_of(read_drawn(X=self.X), kind, image_shape)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Return decoded means and, for text and categories, the probabilities of all levels."""
        outputs = self.module.decode(z)
        levels = self._levels() if self.kind == "table" else []
        if not levels:
            return self.module.likelihood.mean(outputs)
        numbers = [place for place in range(len(self.columns)) if place not in dict(levels)]
        blocks = [self.module.likelihood.mean(outputs)[:, numbers]] if numbers else []
        codes = torch.zeros(max(count for _, count in levels), len(self.columns))
        for place, count in levels:
            codes[:, place] = torch.arange(len(codes)).clamp(max=count - 1)
        shares = self.module.likelihood.log_prob(outputs, codes).exp()  # (n_codes, n_features)
        blocks += [shares[None, :count, place] for place, count in levels]
        return torch.cat([block.to(blocks[0].dtype) for block in blocks], dim=1)

    def _levels(self) -> list[tuple[int, int]]:
        """Return the places of the columns with levels, and how many each has."""
        columns = enumerate(self.columns)
        return [(place, c.n_codes) for place, c in columns if c.base == "level" and c.n_codes]

    def shown(self, kept: np.ndarray) -> dict[str, Any]:
        """Return what the page shows of some rows."""
        return {self.kind: getattr(self, f"_{self.kind}")(self.X[kept])}

    def _image(self, X: np.ndarray) -> dict[str, Any]:
        low, high = _range(self.X)
        height, width, *colours = self.image_shape
        n_columns = math.ceil(math.sqrt(len(X)))
        shades = np.clip((np.nan_to_num(X, nan=low) - low) / (high - low or 1.0), 0, 1)
        images = np.zeros(
            (n_columns * math.ceil(len(X) / n_columns), height * width * (3 if colours else 1))
        )
        images[: len(X)] = np.rint(255 * shades)
        tiles = images.reshape(-1, n_columns, height, width, *colours).swapaxes(1, 2)
        picture = tiles.reshape(-1, n_columns * width, *colours).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "png", optimize=True)
        text = base64.b64encode(buffer.getvalue()).decode("ascii")
        shape = [height, width, bool(colours)]
        sprite = f"data:image/png;base64,{text}"
        return {"shape": shape, "low": low, "high": high, "columns": n_columns, "sprite": sprite}

    def _line(self, X: np.ndarray) -> dict[str, Any]:
        low, high = _range(self.X)
        shares = np.rint((X - low) / (high - low or 1.0) * (_GAP - 1))
        return {
            "rows": _as_text(np.where(np.isnan(shares), _GAP, shares).astype(np.uint16)),
            "low": low,
            "high": high,
            "n_features": X.shape[1],
            "names": [str(self.columns[place].name) for place in (0, -1)],
        }

    def _table(self, X: np.ndarray) -> dict[str, Any]:
        levels = dict(self._levels())
        numbers = [place for place in range(len(self.columns)) if place not in levels]
        at = {place: position for position, place in enumerate(numbers)}
        start = len(numbers)
        for place, count in levels.items():
            at[place], start = start, start + count
        columns = [
            {"name": str(column.name), "at": at[place], **_described(column, self.X[:, place])}
            for place, column in enumerate(self.columns)
        ]
        exact = np.abs(X[~np.isnan(X)]).max(initial=0.0) < 2**24
        return {"columns": columns, "rows": _as_text(X.astype(np.float32 if exact else np.float64))}


def _range(X: np.ndarray) -> tuple[float, float]:
    """Return the least and the largest value, 0 and 1 if there is none."""
    values = X[~np.isnan(X)]
    return (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)


def _described(column: Column, x: np.ndarray) -> dict[str, Any]:
    """Return how the values of a column are written, and their range."""
    if column.base == "level" and column.n_codes:
        levels = [str(level) for level in column.levels]
        rest = [f"{len(column.others)} others"] if column.others else []
        return {"kind": "level", "levels": levels + rest}
    low, high = _range(x)
    own = {"kind": "number", "low": low, "high": high, "origin": 0, "digits": -1, "unit": ""}
    if column.base == "datetime":
        scale, start = UNITS[column.unit] / UNITS["ms"], UNITS[column.resolution] / UNITS["ms"]
        return {**own, "kind": "datetime", "scale": scale, "origin": column.origin * start}
    if column.base == "duration":
        origin = column.origin * UNITS[column.resolution] / UNITS[column.unit]
        return {**own, "origin": origin, "unit": column.unit}
    digits = 1 if column.base == "whole" else column.decimals
    return {**own, "origin": column.origin, "digits": -1 if digits is None else min(digits, 4)}
