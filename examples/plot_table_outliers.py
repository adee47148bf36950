"""
A table with outliers, from raw rows to explained outliers
==========================================================

Thirty measurements of the cell nuclei of 569 breast tumours, in columns whose spreads range from
thousandths to hundreds. A detector learns what benign tumours look like, flags new tumours that
look different, with a bound on the number of false alarms, and shows which columns make each of
them unusual.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import LocalOutlierFactor

from skvae import VAEAnomalyDetector
from skvae.plotting import AnomalyScoreDisplay, ExplanationDisplay, LatentSpaceDisplay

# %%
# Data
# ----
# The training rows are benign tumours. The test rows are the remaining benign tumours and all
# malignant ones, which count as outliers. The table comes with scikit-learn.

table = load_breast_cancer()
columns = table.feature_names
is_benign = table.target_names[table.target] == "benign"
X_train, X_benign = train_test_split(table.data[is_benign], test_size=0.3, random_state=0)
X_malignant = table.data[~is_benign]
X_test = np.vstack([X_benign, X_malignant])
labels = np.repeat([1, -1], [len(X_benign), len(X_malignant)])
print(f"{len(X_train)} benign tumours for training")
print(f"{len(X_benign)} benign and {len(X_malignant)} malignant tumours for testing")

spread = X_train.std(axis=0)
for name, column in {"smallest": spread.argmin(), "largest": spread.argmax()}.items():
    print(f"{name} standard deviation: {columns[column]}, {spread[column]:.2g}")

# %%
# A detector for raw rows
# -----------------------
# No scaler is needed, because the model measures centre and scale of every column itself. A fifth
# of the training rows is set aside: neither the model nor the score learns from them, so they show
# which scores to expect from new benign tumours.

detector = VAEAnomalyDetector(calibration_fraction=0.2, random_state=0).fit(X_train)

# %%
# Scores
# ------
# Higher scores are more normal. The maps below the histogram show the rows at both ends, with the
# columns in which the least normal rows differ most from their reconstructions:

AnomalyScoreDisplay.from_estimator(detector, X_test, labels, feature_names=columns)
plt.show()

# %%
# Flagged rows
# ------------
# The p-value of a row is the share of the rows set aside that score no higher, counting the row
# itself. At most one in ten new benign tumours is expected to have a p-value of 0.1 or less, for
# any model and any score. The default threshold is at this value, so ``predict`` returns -1 for
# exactly these rows.

flagged = detector.p_values(X_test) <= 0.1
is_malignant = labels == -1
print(f"{flagged.sum()} of {len(X_test)} tumours are flagged")
print(f"precision     {is_malignant[flagged].mean():.3f} of the flagged tumours are malignant")
print(f"recall        {flagged[is_malignant].mean():.3f} of the malignant tumours are flagged")
print(f"false alarms  {flagged[~is_malignant].mean():.3f} of the benign tumours are flagged")

# %%
# Explanations
# ------------
# By how much would the score rise if a column had the value that the model expects, given all other
# columns? The three most suspicious tumours, with the columns that matter most:

scores = detector.score_samples(X_test)
suspicious = X_test[scores.argsort()[:3]]
ExplanationDisplay.from_estimator(detector, suspicious, feature_names=columns)
plt.show()

contributions = detector.explain(suspicious)
for row, contribution in zip(suspicious, contributions, strict=True):
    worst = contribution.argmax()
    typical = np.median(X_train[:, worst])
    print(f"{columns[worst]}: {row[worst]:.3g}, median of the training rows {typical:.3g}")

# %%
# Other detectors
# ---------------
# The same rows, ranked by two detectors of scikit-learn. An AUROC of 0.5 is guessing, 1 is a
# perfect ranking.

detectors = {
    "IsolationForest": IsolationForest(random_state=0).fit(X_train),
    "LocalOutlierFactor": LocalOutlierFactor(novelty=True).fit(X_train),
    "VAEAnomalyDetector": detector,
}
for name, fitted in detectors.items():
    print(f"AUROC of {name:<18}  {roc_auc_score(labels, fitted.score_samples(X_test)):.3f}")

# %%
# A map
# -----
# The detector embeds rows as :class:`~skvae.VAETransformer` does. There was no malignant tumour in
# the training data, yet most of them lie apart from the benign ones:

kinds = np.where(is_malignant, "malignant", "benign")
LatentSpaceDisplay(detector.transform(X_test), kinds).plot()
plt.show()

# sphinx_gallery_thumbnail_number = 2
