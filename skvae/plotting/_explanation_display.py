"""Display of the contribution of each feature to the scores of rows."""

from __future__ import annotations

from collections.abc import Sequence

import narwhals as nw
import numpy as np
from sklearn.utils import check_array

from skvae._rows.arrays import is_frame
from skvae.plotting._drawn_tables import DrawnColumn, names_in, read_drawn, row_names
from skvae.plotting._figure_layout import (
    INLIER,
    OUTLIER,
    WIDTH,
    axes_to_draw_on,
    literal,
    panels_within,
)
from skvae.plotting._mosaic import mosaic
from skvae.plotting._pipelines import Opened
from skvae.plotting._rows_display import RowsDisplay, check_same_shape, settings_for
from skvae.plotting._shared_docs import share_docs

_MOST_BARS, _MOST_FEATURES, _FEWEST_FEATURES = 15, 10, 2  # of all rows, and of each
_MOST_ROWS, _MOST_IMAGES = 9, 12
_BAR_LINE, _PANEL_MARGIN, _MAP_MARGIN, _LEAST_HEIGHT = 0.2, 0.6, 0.9, 1.2  # inches


@share_docs(default_features="those that lower scores most")
class ExplanationDisplay(RowsDisplay):
    """Contributions of features to anomaly scores: by how much each lowers the score of a row.

    Each row of a table has a panel with bars for the features that lower its score most, the
    largest contribution on top: ten features of a single row, five of each of three rows, and two
    of each of nine. For data frames, they are labelled with the value and the expected value.
    Titles name the rows, by the index of a pandas frame or by their number from 0. Images are drawn
    above maps of their pixels: red pixels lower the score, blue pixels raise it.

    Parameters
    ----------
    contributions : array-like of shape (n_samples, n_features) or data frame
        Contributions as returned by `explain`.
    X : array-like of shape (n_samples, n_features)
        The rows.
    scores : array-like of shape (n_samples,), default=None
        Their scores, for the titles.
    unit : str, default=""
        Unit of the scores.
    {rows}

    Attributes
    ----------
    {axes}
    axes_ : ndarray of matplotlib Axes
        Panels: one for each row of a table; two lines of them for images.
    bars_ : list of matplotlib BarContainer
        The bars of every row of a table; empty for images.
    images_ : list of matplotlib AxesImage
        The images; empty for a table.
    maps_ : list of matplotlib AxesImage
        Their maps; empty for a table.

    See Also
    --------
    skvae.VAEAnomalyDetector.explain : Computes the contributions.
    AnomalyScoreDisplay : Shows the scores, and rows that may need an explanation.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAEAnomalyDetector
    >>> from skvae.plotting import ExplanationDisplay
    >>> X, _ = load_iris(return_X_y=True)
    >>> detector = VAEAnomalyDetector(n_components=2, max_epochs=2, random_state=0).fit(X)
    >>> odd = [[5.0, 3.4, 1.5, 2.5]]  # the petal of another species
    >>> display = ExplanationDisplay.from_estimator(detector, odd)
    >>> len(display.bars_[0])
    4

    A pipeline may prepare the rows of the detector:

    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> pipeline = make_pipeline(StandardScaler(), detector).fit(X)
    >>> display = ExplanationDisplay.from_estimator(pipeline, odd)
    >>> display.contributions.shape
    (1, 4)
    """

    def __init__(
        self,
        contributions,
        X,
        scores=None,
        *,
        unit="",
        kind="auto",
        image_shape=None,
        features=None,
        feature_names=None,
    ):
        super().__init__(kind, image_shape, features, feature_names)
        self.contributions = contributions
        self.X = X
        self.scores = scores
        self.unit = unit

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        kind="auto",
        image_shape=None,
        features=None,
        feature_names=None,
        ax=None,
    ):
        """Explain rows and draw the contributions.

        Parameters
        ----------
        {detector}
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the training data: at most nine of a table, or twelve images.
        {rows}
        {ax}
        {returns}
        """
        model = Opened(estimator)
        if not hasattr(model.estimator, "explain"):
            raise ValueError(
                f"{type(model.estimator).__name__} does not explain scores. Pass a "
                "VAEAnomalyDetector."
            )
        rows = model.rows(X)
        settings = settings_for(model, rows, kind, image_shape, features, feature_names)
        _check_number(len(X), settings["kind"])  # before the work is done
        detector = model.estimator
        contributions = detector.explain(rows.given)
        scores, unit = detector.score_samples(rows.given), detector.anomaly_score_.spec.unit
        return cls(contributions, rows.shown, scores, unit=unit, **settings).plot(ax)

    def _draw(self, ax) -> None:
        rows, contributions = read_drawn(X=self.X), self._array()
        [X] = rows.arrays
        check_same_shape(contributions=contributions, X=X)
        shape = self._image_shape_of(rows)
        _check_number(len(X), "table" if shape is None else "image")
        self.bars_, self.images_, self.maps_ = [], [], []
        if shape is None:
            self._draw_bars(ax, contributions, rows.columns)
        else:
            self._draw_maps(ax, contributions, X, shape)

    def _array(self) -> np.ndarray:
        """Return the contributions, (n_samples, n_features)."""
        is_long = is_frame(self.contributions)
        return check_array(self._of_cells("contribution") if is_long else self.contributions)

    def _of_cells(self, column: str) -> np.ndarray:
        """Return a column of an explanation as a table of rows and features."""
        frame = nw.from_native(self.contributions, eager_only=True)
        places = {name: place for place, name in enumerate(names_in(self.X))}
        features = [places[name] for name in frame["feature"].to_list()]
        cells = np.empty((len(self.X), len(places)), dtype=object)
        cells[frame["row"].to_numpy(), features] = frame[column].to_list()
        return cells

    def _labels(
        self, row: int, columns: np.ndarray, names: list[str], kinds: Sequence[DrawnColumn]
    ) -> list[str]:
        """Return the labels of bars: names, with value and expected value if these are known."""
        if not is_frame(self.contributions):
            return names
        cells = (self._of_cells(column)[row, columns] for column in ("value", "expected"))
        own_kinds = [kinds[column] for column in columns]
        values, expected = (list(map(_shown, texts, own_kinds)) for texts in cells)
        triples = zip(names, values, expected, strict=True)
        return [f"{name} {value} (expected {other})" for name, value, other in triples]

    def _draw_bars(self, ax, contributions, kinds: Sequence[DrawnColumn]) -> None:
        per_row = _MOST_BARS // len(contributions)
        n_shown = np.clip(per_row, _FEWEST_FEATURES, _MOST_FEATURES)
        largest = np.argsort(-contributions, kind="stable")[:, :n_shown]
        chosen = [self._choose_features(self.X, features) for features in largest]
        n_lines = sum(len(features.names) for features in chosen)
        height = _PANEL_MARGIN * len(chosen) + _BAR_LINE * n_lines
        self.ax_ = axes_to_draw_on(ax, max(height, _LEAST_HEIGHT))
        self.axes_ = panels_within(self.ax_, len(chosen), 1)[:, 0]
        for row, (panel, title, (columns, names, _)) in enumerate(
            zip(self.axes_, self._titles(), chosen, strict=True)
        ):
            panel.set_title(title, fontsize="medium", loc="right")  # beside long labels
            widths = contributions[row, columns]
            colours = np.where(widths > 0, OUTLIER, INLIER)
            labels = self._labels(row, columns, names, kinds)
            self.bars_.append(panel.barh(labels, widths, color=colours))
            panel.invert_yaxis()  # the first on top
            panel.axvline(0, color="black", linewidth=0.8)
            panel.tick_params(axis="y", length=0)
        self.axes_[-1].set_xlabel(self._label(), loc="right")

    def _draw_maps(self, ax, contributions, X, shape) -> None:
        maps = contributions.reshape(len(X), *shape[:2], -1).sum(-1)  # over the colours of a pixel
        tile = WIDTH / max(len(X), 3)
        self.ax_ = axes_to_draw_on(ax, 2 * tile * shape[0] / shape[1] + _MAP_MARGIN)
        self.axes_ = panels_within(self.ax_, 2, len(X))
        limit = np.abs(maps).max() or 1.0
        for (above, below), title, image, one in zip(
            self.axes_.T, self._scores() or self._titles(), X, maps, strict=True
        ):
            above.set_title(title, fontsize="medium")
            self.images_.append(above.imshow(mosaic(image[None], 1, shape), cmap="gray_r"))
            self.maps_.append(below.imshow(one, cmap="RdBu_r", vmin=-limit, vmax=limit))
        for panel in self.axes_.flat:
            panel.set(xticks=[], yticks=[])
        self.ax_.figure.colorbar(
            self.maps_[0], ax=list(self.axes_.flat), location="bottom", label=self._label()
        )

    def _titles(self) -> list[str]:
        rows = [f"row {literal(name)}" for name in row_names(self.X)]
        pairs = zip(rows, self._scores(), strict=False)
        return [f"{row}, {score}" for row, score in pairs] or rows

    def _scores(self) -> list[str]:
        scores = () if self.scores is None else check_array(self.scores, ensure_2d=False)
        return [f"score {score:.3g}".replace("-", "−") for score in scores]

    def _label(self) -> str:
        return f"lowers the score by ({self.unit})" if self.unit else "lowers the score by"


def _shown(text: str | float | None, column: DrawnColumn) -> str:
    """Return a cell of an explanation; of numbers with a point, five significant digits."""
    if not isinstance(text, str):  # None, or NaN in pandas
        return "missing"
    is_long = column.family == "number" and "." in text
    return f"{float(text):.5g}" if is_long else literal(text)


def _check_number(n_rows: int, kind: str) -> None:
    most = _MOST_ROWS if kind == "table" else _MOST_IMAGES
    if n_rows > most:
        raise ValueError(
            f"{n_rows} rows are too many for one picture, which explains {most}. Pass fewer rows, "
            "such as those with the lowest scores: X[scores.argsort()[:4]]."
        )
