"""Display of decoded lines between pairs of rows in the latent space."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from sklearn.utils import check_array

from skvae._validation import check_count
from skvae.plotting._drawn_tables import (
    DrawnColumn,
    DrawnTables,
    array_unless_names,
    at_least_one_row,
    read_drawn,
)
from skvae.plotting._figure_layout import COLOURS
from skvae.plotting._mosaic import tile_centres
from skvae.plotting._pipelines import Opened
from skvae.plotting._rows_display import RowsDisplay, read_pair, settings_for
from skvae.plotting._shared_docs import share_docs
from skvae.plotting._table_panels import label_outer, label_values

_SHIFT = 0.08  # of the lines of levels, so that they do not hide one another
_TITLE = "Decoded on the way from start to end"


@share_docs(default_features="the first 9")
class InterpolationDisplay(RowsDisplay):
    """The decoded path from one row to another along a straight line in the latent space.

    Images form a strip for each pair of rows: the originals at its ends and the decoded path
    between them. A table has a panel for each feature, in the feature's units, with a line for each
    pair and dots for the originals. The distance of the dots from the ends of their line is the
    error of the reconstruction.

    Parameters
    ----------
    X_start, X_end : array-like of shape (n_pairs, n_features) or (n_features,)
        Rows at the start and at the end of each path, or a single row each.
    X_path : array-like of shape (n_pairs, n_steps, n_features) or data frame
        Decoded rows of each path, evenly spaced, both ends included. For data frames with text,
        categories, booleans or dates, a frame of such rows, path after path.
    {rows}

    Attributes
    ----------
    {axes}
    axes_ : ndarray of matplotlib Axes
        The panels: one for images, one for each feature of a table.
    image_ : matplotlib AxesImage
        The mosaic; None for a table.
    lines_ : list of list of matplotlib Line2D
        For each feature of a table the paths, pair by pair; empty for images.

    See Also
    --------
    ManifoldDisplay : A decoded plane of the latent space.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skvae import VAETransformer
    >>> from skvae.plotting import InterpolationDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> vae = VAETransformer(max_epochs=2, random_state=0).fit(X)
    >>> display = InterpolationDisplay.from_estimator(vae, X[:3], X[3:6], n_steps=5)
    >>> display.X_path.shape
    (3, 5, 64)
    """

    def __init__(
        self,
        X_start,
        X_end,
        X_path,
        *,
        kind="auto",
        image_shape=None,
        features=None,
        feature_names=None,
    ):
        super().__init__(kind, image_shape, features, feature_names)
        self.X_start = X_start
        self.X_end = X_end
        self.X_path = X_path

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X_start,
        X_end,
        *,
        n_steps=8,
        kind="auto",
        image_shape=None,
        features=None,
        feature_names=None,
        ax=None,
    ):
        """Embed pairs of rows, decode the lines between them and draw the paths.

        Parameters
        ----------
        {estimator}
        X_start, X_end : array-like of shape (n_pairs, n_features) or (n_features,)
            Rows at the start and at the end of each path, at most seven pairs of a table; or a
            single row each, such as ``X[0]`` and ``X[1]``.
        n_steps : int, default=8
            Number of decoded rows of each path, both ends included.
        {rows}
        {ax}
        {returns}
        """
        check_count("n_steps", n_steps)
        if n_steps == 1:
            raise ValueError("'n_steps' must be at least 2, as both ends of a path count; got 1.")
        X_start, X_end = at_least_one_row(X_start), at_least_one_row(X_end)
        read_pair(X_start=X_start, X_end=X_end)
        model = Opened(estimator)
        rows, rows_end = model.rows(X_start), model.rows(X_end)
        settings = settings_for(model, rows, kind, image_shape, features, feature_names)
        start, end = (model.estimator.posterior(each.given)[0] for each in (rows, rows_end))
        X_path = _decode_lines(model, start, end, n_steps)
        return cls(rows.shown, rows_end.shown, X_path, **settings).plot(ax)

    def _draw(self, ax) -> None:
        tables = self._read()
        shape = self._image_shape_of(replace(tables, arrays=tables.arrays[:2]))
        self.image_, self.lines_ = None, []
        if shape is None:
            self._draw_table(ax, tables)
        else:
            self._draw_images(ax, *tables.arrays, shape)

    def _read(self) -> DrawnTables:
        """Return the rows at both ends and the paths, (n_pairs, n_steps, n_features)."""
        X_start, X_end = at_least_one_row(self.X_start), at_least_one_row(self.X_end)
        pair = read_pair(X_start=X_start, X_end=X_end)
        if pair.are_numbers:
            X_path = check_array(self.X_path, allow_nd=True, ensure_all_finite="allow-nan")
        else:
            pair = read_drawn(X_start=X_start, X_end=X_end, X_path=self.X_path)
            X_path = np.stack(np.split(pair.arrays[2], len(pair.arrays[0])))
        start, end = pair.arrays[:2]
        if X_path.shape[::2] != start.shape:
            raise ValueError(
                f"'X_path' has shape {X_path.shape} for {len(start)} pairs of rows of "
                f"{start.shape[1]} features; expected (n_pairs, n_steps, n_features)."
            )
        return DrawnTables(pair.columns, (start, end, X_path))

    def _draw_images(self, ax, X_start, X_end, X_path, shape) -> None:
        strips = np.concatenate([X_start[:, None], X_path, X_end[:, None]], axis=1)
        images, n_columns = strips.reshape(-1, strips.shape[2]), strips.shape[1]
        self._draw_mosaic(ax, images, n_columns, shape, _TITLE, margin=0.7, fewest_columns=6)
        centres = tile_centres(n_columns, shape[1])
        for inner, outer in ((1, 0), (-2, -1)):  # between the originals and the path
            self.ax_.axvline(centres[[inner, outer]].mean(), color=COLOURS[1], linewidth=1.5)
        self.ax_.set_xticks(centres[[0, -1]], ["start", "end"])
        self.ax_.tick_params(length=0)

    def _draw_table(self, ax, tables: DrawnTables) -> None:
        X_start, X_end, X_path = tables.arrays
        if len(X_start) > len(COLOURS):
            raise ValueError(
                f"{len(X_start)} pairs are too many to tell apart; pass {len(COLOURS)} or fewer."
            )
        start = at_least_one_row(self.X_start)
        columns = self._make_panels(ax, start, _TITLE, line_height=1.4, margin=0.9)
        for panel, place in zip(self.axes_, columns, strict=True):
            column = tables.columns[place]
            values = X_start[:, place], X_end[:, place], X_path[:, :, place]
            self.lines_.append(_draw_paths(panel, column, *values))
            label_values(panel.yaxis, column)
        label_outer(self.axes_)


def _decode_lines(model: Opened, start: np.ndarray, end: np.ndarray, n_steps: int):
    """Return decoded rows along the lines between latent rows, (n_pairs, n_steps, n_features).

    Those of a data frame with names are a frame, path after path.
    """
    way = np.linspace(0, 1, n_steps, dtype=start.dtype)[:, None]
    Z = start[:, None] + way * (end - start)[:, None]  # (n_pairs, n_steps, n_components)
    X_decoded = model.estimator.inverse_transform(Z.reshape(-1, start.shape[1]))
    X_decoded = array_unless_names(model.named(X_decoded))
    is_array = isinstance(X_decoded, np.ndarray)
    return X_decoded.reshape(len(start), n_steps, -1) if is_array else X_decoded


def _draw_paths(ax, column: DrawnColumn, start, end, path) -> list:
    way = np.linspace(0, 1, path.shape[1])
    ax.set_xticks([0, 1], ["start", "end"])
    is_level = column.family == "level"
    style = {"drawstyle": "steps-mid"} if is_level else {}
    lines = []
    for pair, (colour, *ends, values) in enumerate(zip(COLOURS, start, end, path, strict=False)):
        shift = _SHIFT * (pair - (len(path) - 1) / 2) if is_level else 0.0
        lines += ax.plot(way, values + shift, color=colour, **style)
        ax.plot([0, 1], np.add(ends, shift), "o", color=colour, markersize=4, clip_on=False)
    return lines
