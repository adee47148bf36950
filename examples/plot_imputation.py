"""
Fill gaps, and say how sure
===========================

Half of the pixels of digits are removed and drawn again; gaps in a table of measurements are filled
with intervals, which are compared with the hidden truth; and digits with gaps are embedded as they
are.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from skvae import VAEImputer, VAETransformer
from skvae.plotting import ImputationDisplay

# %%
# Digits with holes
# -----------------
# Small digits of scikit-learn, 8 × 8 pixels. Every second pixel is hidden at random, in training
# and in test images: no image is ever seen whole. The data are small, so this page has no short
# form; to keep it fast, imputers have fewer models and epochs than by default.

rng = np.random.default_rng(0)


def with_holes(X, share):
    """Return a copy of rows of which a share of the values is missing."""
    return np.where(rng.random(X.shape) < share, np.nan, X)


X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
holes_train, holes_test = with_holes(X_train, 0.5), with_holes(X_test, 0.5)

mean_fill = SimpleImputer(keep_empty_features=True).fit(holes_train)
neighbours = KNNImputer(keep_empty_features=True).fit(holes_train)
imputer = VAEImputer(n_estimators=1, max_epochs=40, random_state=0).fit(holes_train)
print(f"{imputer.n_iter_} epochs in {imputer.history_['duration'].sum():.0f} s")

# %%
# Error of the hidden pixels, whose values are between 0 and 16:

hidden = np.isnan(holes_test)
for name, model in {"mean": mean_fill, "neighbours": neighbours, "VAE": imputer}.items():
    errors = (model.transform(holes_test) - X_test)[hidden]
    print(f"{name:<11} RMSE {np.sqrt(np.mean(errors**2)):.2f}")

# %%
# From the top: images with holes (orange), holes filled with the mean of each pixel, with the
# expectation given the other pixels, and with two draws; last, the whole images. The expectation is
# smooth where the model is unsure, and the draws differ there.

shown = slice(0, 12)
lines = {
    "observed": holes_test[shown],
    "mean": mean_fill.transform(holes_test[shown]),
    "expected": imputer.transform(holes_test[shown]),
}
draws = imputer.impute(holes_test[shown], n_draws=2, random_state=0)
lines |= {"draw 1": draws[0], "draw 2": draws[1], "truth": X_test[shown]}

figure, axes = plt.subplots(len(lines), 12, figsize=(9, 4.8), layout="constrained")
ink = plt.get_cmap("gray_r").with_extremes(bad="#d55e00")
for line, (name, images) in zip(axes, lines.items(), strict=True):
    line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for ax, image in zip(line, images, strict=True):
        ax.imshow(image.reshape(8, 8), cmap=ink, vmin=0, vmax=16)
        ax.set(xticks=[], yticks=[])
plt.show()

# %%
# A table
# -------
# Ten measurements of 569 tumours, of which 30 % are hidden. The imputer is given the data frame
# with gaps and returns one without. Errors are in standard deviations of the column:

table = load_breast_cancer(as_frame=True).data.iloc[:, :10]
table = table.rename(columns=lambda name: name.removeprefix("mean "))
gaps = rng.random(table.shape) < 0.3
observed = table.mask(gaps)
imputer = VAEImputer(n_estimators=2, max_epochs=100, random_state=0).fit(observed)
means = observed.fillna(observed.mean())
for name, filled in {"mean": means, "VAE": imputer.transform(observed)}.items():
    errors = ((filled - table) / table.std()).to_numpy()[gaps]
    print(f"{name:<5} RMSE {np.sqrt(np.mean(errors**2)):.2f}")

# %%
# How sure?
# ---------
# Each gap is filled with 39 draws, whose range is an interval of 95 %. Since the truth is known
# here, the intervals can be checked. Drawn values (orange) are distributed as the hidden ones
# (black), and the share of intervals with the true value, in the titles below, should be about
# 95 %. Where the rest of the row determines a value, as for the radius by the area, the intervals
# are short:

display = ImputationDisplay.from_estimator(
    imputer,
    observed,
    table,
    features=["radius", "texture", "area", "smoothness", "concavity", "symmetry"],
    random_state=0,
)
print(f"mean coverage {np.mean(list(display.coverage_.values())):.2f}")
plt.show()

# %%
# To compute something from the filled table and know its standard error, compute it from each of
# several copies, ``imputer.impute(observed, n_draws=20)``, and combine the results by
# :func:`skvae.metrics.pool`; the user guide has an example (:doc:`/user_guide/missing`).
#
# Embeddings
# ----------
# The other estimators accept gaps, too. Digits are embedded in 16 dimensions and classified by
# their five nearest neighbours. Although half of the pixels are missing from all images, an
# embedding of them loses little; filling with means first loses more.


def accuracy(embedding, train, test):
    """Return the share of test images with the right label among their neighbours' labels."""
    model = make_pipeline(embedding, KNeighborsClassifier(5))
    return model.fit(train, y_train).score(test, y_test)


vae = VAETransformer(random_state=0)
print(f"whole images          {accuracy(vae, X_train, X_test):.3f}")
print(f"images with holes     {accuracy(vae, holes_train, holes_test):.3f}")
filled_first = make_pipeline(mean_fill, vae)
print(f"filled with means     {accuracy(filled_first, holes_train, holes_test):.3f}")
