"""Display of a detector's scores."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d

from skvae._model.inference import SCORES
from skvae._validation import check_count
from skvae.plotting._drawn_tables import DrawnTables, read_drawn, row_names
from skvae.plotting._figure_layout import axes_to_draw_on, place_below
from skvae.plotting._marginals import shortened
from skvae.plotting._mosaic import draw_strips, strips_height
from skvae.plotting._pipelines import Opened
from skvae.plotting._rows_display import RowsDisplay, read_pair, settings_for
from skvae.plotting._score_histogram import draw_histogram, groups_of
from skvae.plotting._shared_docs import share_docs
from skvae.plotting._table_panels import MAP_LINE, draw_feature_maps, row_names_height

_HEIGHT = 3.2  # inches
_MOST_FEATURES = 10


@share_docs(default_features="the ten that deviate most")
class AnomalyScoreDisplay(RowsDisplay):
    """Histogram of anomaly scores, with the detector's threshold and the most extreme rows.

    Rows are counted on a logarithmic axis if the outliers are too few to be seen on another. The
    least and the most normal images are drawn below the histogram. For a table, colours show
    the difference between these rows and their reconstructions, in standard deviations of that
    difference over all rows, for the features in which the least normal rows deviate most; a level
    differs by one from any other. Up to 16 rows are named below the maps, by the index of a pandas
    frame or by their number from 0.

    Parameters
    ----------
    scores : array-like of shape (n_samples,)
        Scores as returned by `score_samples`; higher is more normal.
    threshold : float
        The detector's `offset_`; rows with lower scores are outliers.
    y : array-like of shape (n_samples,), default=None
        True labels, if known: -1 for outliers and 1 for inliers, as in `predict`.
    score_name : str, default="log_likelihood"
        Name of the score.
    X : array-like of shape (n_samples, n_features), default=None
        The rows; None draws the histogram alone.
    X_reconstructed : array-like of shape (n_samples, n_features), default=None
        Their reconstructions, required for a table and not used for images.
    n_examples : int, default=8
        Number of rows to show from each end of the scores.
    {rows}

    Attributes
    ----------
    {axes}
    example_axes_ : list of matplotlib Axes
        Axes with the least and the most normal rows; empty without rows.
    histograms_ : list of matplotlib BarContainer
        Histograms of inliers and of outliers, or a single one of all rows.
    line_ : matplotlib Line2D
        The threshold.
    images_ : list of matplotlib AxesImage
        The least and the most normal rows; empty without rows.
    least_normal_, most_normal_ : ndarray of int
        Indices of these rows, the most extreme first.

    See Also
    --------
    skvae.VAEAnomalyDetector : Computes the scores.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAEAnomalyDetector
    >>> from skvae.plotting import AnomalyScoreDisplay
    >>> X, _ = load_iris(return_X_y=True)
    >>> detector = VAEAnomalyDetector(n_components=2, max_epochs=2, random_state=0).fit(X)
    >>> display = AnomalyScoreDisplay.from_estimator(detector, X)
    >>> bool(display.line_.get_xdata()[0] == detector.offset_)
    True
    """

    def __init__(
        self,
        scores,
        threshold,
        y=None,
        *,
        score_name="log_likelihood",
        X=None,
        X_reconstructed=None,
        n_examples=8,
        kind="auto",
        image_shape=None,
        features=None,
        feature_names=None,
    ):
        super().__init__(kind, image_shape, features, feature_names)
        self.scores = scores
        self.threshold = threshold
        self.y = y
        self.score_name = score_name
        self.X = X
        self.X_reconstructed = X_reconstructed
        self.n_examples = n_examples

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y=None,
        *,
        n_examples=8,
        kind="auto",
        image_shape=None,
        features=None,
        feature_names=None,
        ax=None,
    ):
        """Score rows and draw the histogram, with examples from each end.

        Parameters
        ----------
        {detector}
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the training data.
        y : array-like of shape (n_samples,), default=None
            True labels, if known: -1 for outliers and 1 for inliers.
        n_examples : int, default=8
            Number of rows to show from each end of the scores.
        {rows}
        {ax}
        {returns}
        """
        model = Opened(estimator)
        detector = model.estimator
        if not hasattr(detector, "anomaly_score"):
            raise ValueError(
                f"{type(detector).__name__} is not a VAEAnomalyDetector. Pass one, or the scores "
                "and the threshold of another detector to from_predictions."
            )
        rows = model.rows(X)
        settings = settings_for(model, rows, kind, image_shape, features, feature_names)
        X_reconstructed = None
        if settings["kind"] == "table":
            X_reconstructed = model.named(detector._reconstruct_any(rows.given))
        display = cls(
            detector.score_samples(rows.given),
            detector.offset_,
            y,
            score_name=str(detector.anomaly_score),
            X=rows.shown,
            X_reconstructed=X_reconstructed,
            n_examples=n_examples,
            **settings,
        )
        return display.plot(ax)

    @classmethod
    def from_predictions(cls, scores, threshold, y=None, *, score_name="log_likelihood", ax=None):
        """Draw the histogram of the scores of any detector, such as an isolation forest.

        Parameters
        ----------
        scores : array-like of shape (n_samples,)
            Scores as returned by `score_samples`; higher is more normal.
        threshold : float
            The detector's `offset_`; rows with lower scores are outliers.
        y : array-like of shape (n_samples,), default=None
            True labels, if known: -1 for outliers and 1 for inliers.
        score_name : str, default="log_likelihood"
            Name of the score.
        {ax}
        {returns}
        """
        return cls(scores, threshold, y, score_name=score_name).plot(ax)

    def _draw(self, ax) -> None:
        check_count("n_examples", self.n_examples)
        scores = column_or_1d(self.scores)
        groups = groups_of(scores, self.y)
        order = np.argsort(scores, kind="stable")
        self.least_normal_ = order[: self.n_examples]
        self.most_normal_ = order[::-1][: self.n_examples]
        self.example_axes_, self.images_ = [], []
        if self.X is None:
            self.ax_ = axes_to_draw_on(ax, _HEIGHT)
        else:
            self._draw_examples(ax, scores)
        self._draw_scores(scores, groups)

    def _draw_scores(self, scores, groups) -> None:
        self.histograms_, self.line_, note = draw_histogram(
            self.ax_, scores, self.threshold, groups
        )
        unit = "nats; " if self.score_name in SCORES else ""
        self.ax_.set(
            xlabel=f"{self.score_name.replace('_', ' ')} ({unit}higher is more normal){note}",
            ylabel="rows" if self.ax_.get_yscale() == "linear" else "rows (logarithmic)",
            title="Anomaly scores",
        )
        self.ax_.legend(frameon=False)

    def _draw_examples(self, ax, scores) -> None:
        rows = read_drawn(X=self.X)
        [X] = rows.arrays
        check_consistent_length(scores, X)
        shape = self._image_shape_of(rows)
        examples = {
            "least normal rows": self.least_normal_,
            "most normal rows": self.most_normal_,
        }
        if shape is None:
            panels, self.images_ = self._draw_deviations(ax, examples)
        else:
            frame = self._make_room(ax, strips_height(2, len(self.least_normal_), shape))
            strips = {title: X[rows] for title, rows in examples.items()}
            panels, self.images_ = draw_strips(frame, strips, shape)
        self.example_axes_ = list(panels)

    def _draw_deviations(self, ax, examples: dict[str, np.ndarray]):
        if self.X_reconstructed is None:
            raise ValueError(
                "Rows of a table are shown by their distance from their reconstructions: pass "
                "'X_reconstructed' too, or kind='image' if they are images."
            )
        Z = _deviations(read_pair(X=self.X, X_reconstructed=self.X_reconstructed))
        labels = list(map(shortened, row_names(self.X)))
        row_labels = [[labels[row] for row in rows] for rows in examples.values()]
        names_height = max(map(row_names_height, row_labels))
        most_deviant = np.argsort(-np.abs(Z[self.least_normal_]).mean(axis=0), kind="stable")
        columns, names, _ = self._choose_features(self.X, most_deviant[:_MOST_FEATURES])
        return draw_feature_maps(
            self._make_room(ax, 1.2 + names_height + MAP_LINE * len(columns)),
            {title: Z[rows][:, columns] for title, rows in examples.items()},
            names,
            "standard deviations from the reconstruction",
            limit=4,
            row_names=row_labels,
        )

    def _make_room(self, ax, height: float):
        """Set the axes of the histogram, and return a frame of this height below it."""
        self.ax_ = axes_to_draw_on(ax, _HEIGHT + height)
        place = place_below(self.ax_, share=height / (_HEIGHT + height))
        return self.ax_.figure.add_subplot(place)


def _deviations(tables: DrawnTables) -> np.ndarray:
    """Return the differences from the reconstructions, in their own standard deviations.

    Another level is a difference of one. A missing value does not differ.
    """
    X, X_reconstructed = tables.arrays
    errors = np.nan_to_num(X - X_reconstructed)
    is_level = np.array([column.family == "level" for column in tables.columns])
    errors[:, is_level] = errors[:, is_level] != 0
    std = errors.std(axis=0, dtype=np.float64)
    return errors / np.where(std > 0, std, 1.0)
