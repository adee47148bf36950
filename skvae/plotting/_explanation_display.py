"""The display of what each feature contributes to the scores of rows."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_array

from skvae._validation import check_is_fitted
from skvae.plotting._figure_layout import COLOURS, WIDTH, axes_to_draw_on, panels_within
from skvae.plotting._mosaic import mosaic
from skvae.plotting._rows_display import (
    checked_pair,
    choose_features,
    feature_names_of,
    image_shape_of,
    settled_kind,
)

_MOST_FEATURES, _FEWER_FEATURES = 10, 5  # of one row, and of each of several
_MOST_ROWS, _MOST_IMAGES = 9, 12
_BAR_LINE, _PANEL_MARGIN, _MAP_MARGIN = 0.2, 0.6, 0.9  # inches


class ExplanationDisplay:
    """What makes rows unusual: by how much each feature lowers their scores.

    Of a table, each row has a panel with bars for the features that matter most, the greatest on
    top. Images stand above maps of their pixels: red where a pixel lowers the score, blue where it
    raises it.

    Parameters
    ----------
    contributions : array-like of shape (n_samples, n_features)
        What `explain` returned.
    X : array-like of shape (n_samples, n_features)
        The rows.
    scores : array-like of shape (n_samples,), default=None
        Their scores, for the titles.
    unit : str, default=""
        Unit of the scores.
    kind : {"auto", "image", "table"}, default="auto"
        What the rows are; "auto" decides as in :class:`ReconstructionDisplay`.
    image_shape : tuple of (height, width) or (height, width, 3), default=None
        Shape of the images; None takes them for square and grey.
    features : list of int or str, default=None
        Features of a table to show; None shows those that lower a row's score most: ten
        of one row, five of each of several.
    feature_names : array-like of str of shape (n_features,), default=None
        Names of the features of a table; None takes those of a data frame, else "x0", "x1", ….

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        Panels: one for each row of a table; two lines of them for images.
    ax_ : matplotlib Axes
        The axes whose place they take.
    figure_ : matplotlib Figure
        Figure of the axes.
    bars_ : list of matplotlib BarContainer
        The bars of every row of a table; empty for images.
    images_ : list of matplotlib AxesImage
        The images; empty for a table.
    maps_ : list of matplotlib AxesImage
        Their maps; empty for a table.

    See Also
    --------
    skvae.VAEAnomalyDetector.explain : Where the contributions come from.
    AnomalyScoreDisplay : Which rows to explain.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAEAnomalyDetector
    >>> from skvae.plotting import ExplanationDisplay
    >>> X, _ = load_iris(return_X_y=True)
    >>> detector = VAEAnomalyDetector(n_components=2, max_epochs=2, random_state=0).fit(X)
    >>> odd = [[5.0, 3.4, 1.5, 2.5]]  # the petal of another species
    >>> display = ExplanationDisplay.from_estimator(detector, odd)
    >>> len(display.bars_[0])
    4
    >>> plt.close(display.figure_)
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
        self.contributions = contributions
        self.X = X
        self.scores = scores
        self.unit = unit
        self.kind = kind
        self.image_shape = image_shape
        self.features = features
        self.feature_names = feature_names

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
        """Explain rows and draw what was found.

        Parameters
        ----------
        estimator : VAEAnomalyDetector
            Fitted.
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the training data: at most nine of a table, or twelve images.
        kind : {"auto", "image", "table"}, default="auto"
            What the rows are; "auto" decides as in :class:`ReconstructionDisplay`.
        image_shape : tuple of (height, width) or (height, width, 3), default=None
            Shape of the images; None takes them for square and grey.
        features : list of int or str, default=None
            Features of a table to show; None shows those that lower a row's score most: ten of
            one row, five of each of several.
        feature_names : array-like of str of shape (n_features,), default=None
            Names of the features of a table; None takes those of X or of the estimator.
        ax : matplotlib Axes, default=None
            Axes whose place the panels take; None makes a figure.

        Returns
        -------
        display : ExplanationDisplay
            With what was drawn.
        """
        if not hasattr(estimator, "explain"):
            raise ValueError(
                f"{type(estimator).__name__} explains no scores. Pass a VAEAnomalyDetector."
            )
        check_is_fitted(estimator)
        kind = settled_kind(estimator, kind, image_shape)
        _check_number(len(X), kind)  # before the work is done
        if feature_names is None:
            feature_names = feature_names_of(X, estimator)
        display = cls(
            estimator.explain(X),
            X,
            estimator.score_samples(X),
            unit=getattr(estimator.anomaly_score_.spec, "unit", ""),
            kind=kind,
            image_shape=image_shape,
            features=features,
            feature_names=feature_names,
        )
        return display.plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes whose place the panels take; None makes a figure.

        Returns
        -------
        self : ExplanationDisplay
            With `axes_`, `ax_`, `figure_`, `bars_`, `images_` and `maps_` set.
        """
        contributions, X = checked_pair(self.contributions, self.X, ("contributions", "X"))
        shape = image_shape_of(X, self.kind, self.image_shape)
        _check_number(len(X), "table" if shape is None else "image")
        self.bars_, self.images_, self.maps_ = [], [], []
        if shape is None:
            self._plot_bars(ax, contributions)
        else:
            self._plot_maps(ax, contributions, X, shape)
        self.figure_ = self.ax_.figure
        return self

    def _plot_bars(self, ax, contributions) -> None:
        chosen = [self._features_of(row) for row in contributions]
        n_lines = sum(len(features.names) for features in chosen)
        self.ax_ = axes_to_draw_on(ax, _PANEL_MARGIN * len(chosen) + _BAR_LINE * n_lines)
        self.axes_ = panels_within(self.ax_, len(chosen), 1)[:, 0]
        for panel, title, row, (columns, names, _) in zip(
            self.axes_, self._titles(len(chosen)), contributions, chosen, strict=True
        ):
            panel.set_title(title, fontsize="medium")
            colours = np.where(row[columns] > 0, COLOURS[1], COLOURS[0])
            self.bars_.append(panel.barh(names, row[columns], color=colours))
            panel.invert_yaxis()  # the first on top
            panel.axvline(0, color="black", linewidth=0.8)
            panel.tick_params(axis="y", length=0)
        self.axes_[-1].set_xlabel(self._label())

    def _features_of(self, row):
        """Return the features of a table to show of a row, the weightiest first."""
        features = self.features
        if features is None:
            n_shown = _MOST_FEATURES if len(self.X) == 1 else _FEWER_FEATURES
            features = np.argsort(-row, kind="stable")[:n_shown]
        return choose_features(self.X, features, self.feature_names, limit=len(features))

    def _plot_maps(self, ax, contributions, X, shape) -> None:
        maps = contributions.reshape(len(X), *shape[:2], -1).sum(-1)  # colours of a pixel as one
        tile = WIDTH / max(len(X), 3)
        self.ax_ = axes_to_draw_on(ax, 2 * tile * shape[0] / shape[1] + _MAP_MARGIN)
        self.axes_ = panels_within(self.ax_, 2, len(X))
        limit = np.abs(maps).max() or 1.0
        for (above, below), title, image, one in zip(
            self.axes_.T, self._titles(len(X)), X, maps, strict=True
        ):
            above.set_title(title, fontsize="medium")
            self.images_.append(above.imshow(mosaic(image[None], 1, shape), cmap="gray_r"))
            self.maps_.append(below.imshow(one, cmap="RdBu_r", vmin=-limit, vmax=limit))
        for panel in self.axes_.flat:
            panel.set(xticks=[], yticks=[])
        self.ax_.figure.colorbar(
            self.maps_[0], ax=list(self.axes_.flat), location="bottom", label=self._label()
        )

    def _titles(self, n_rows: int) -> list[str]:
        if self.scores is None:
            return [f"row {row}" for row in range(n_rows)]
        scores = check_array(self.scores, ensure_2d=False)
        return [f"score {score:.3g}".replace("-", "−") for score in scores]

    def _label(self) -> str:
        return f"lowers the score by ({self.unit})" if self.unit else "lowers the score by"


def _check_number(n_rows: int, kind: str) -> None:
    most = _MOST_ROWS if kind == "table" else _MOST_IMAGES
    if n_rows > most:
        raise ValueError(
            f"{n_rows} rows are too many for one picture, which explains {most}. Pass fewer, such "
            "as those of the lowest scores: X[scores.argsort()[:4]]."
        )
