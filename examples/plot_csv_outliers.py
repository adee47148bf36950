"""
Outliers in a CSV file, from start to finish
============================================

A file of customers with text, dates and amounts of money is checked: a detector learns from an
older file, the threshold is chosen by the number of false alarms, rows of the new file are flagged,
and three of them are explained by the names of their columns.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skvae import VAEAnomalyDetector
from skvae.datasets import make_customers
from skvae.networks import MLP
from skvae.plotting import AnomalyScoreDisplay, ExplanationDisplay

# %%
# Two files
# ---------
# The customers of a shop are invented, and so are twelve mistakes in the new file: four customers
# returned goods for three times the money that they spent, four amounts lack their decimal point,
# and four dates are ten years too early.

temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)
customers = make_customers(2500, random_state=0)
old, new = customers[:2000], customers[2000:].reset_index(drop=True)
rng = np.random.default_rng(0)
buyers = new.index[new["orders"] > 1]
wrong_return, wrong_point, wrong_date = rng.choice(buyers, (3, 4), replace=False)
new.loc[wrong_return, "returned"] = 3 * new.loc[wrong_return, "spent"]
new.loc[wrong_point, "spent"] *= 100
new.loc[wrong_date, "joined"] -= pd.DateOffset(years=10)
old.to_csv(folder / "old.csv", index=False)
new.to_csv(folder / "new.csv", index=False)

# %%
# Reading
# -------
# pandas recognises text, numbers, and True or False by itself; dates must be named. Nothing else is
# to be prepared: no encoding of text, no scaling, and gaps are accepted.

old, new = (pd.read_csv(folder / name, parse_dates=["joined"]) for name in ("old.csv", "new.csv"))
print(new.head().to_string())

# %%
# A detector
# ----------
# A quarter of the old rows is set aside, to see which scores are usual. A smaller model than the
# default, with fewer epochs, keeps this page fast.

detector = VAEAnomalyDetector(
    network=MLP(hidden_layer_sizes=(128, 128), activation="silu"),
    prior="normal",
    batch_size=128,
    max_epochs=30,
    calibration_fraction=0.25,
    random_state=0,
).fit(old)

# %%
# The threshold
# -------------
# The p-value of a row is the share of the rows set aside that score no higher. If no row of the new
# file were wrong, a threshold of 0.02 would flag at most 2 % of them on average. How many rows are
# flagged, and how many are expected by chance?

p_values = detector.p_values(new)
for threshold in (0.1, 0.05, 0.02, 0.01, 0.005):
    flagged = (p_values <= threshold).sum()
    by_chance = threshold * len(new)
    print(f"p <= {threshold:<5}  {flagged:>3} flagged, at most {by_chance:>4.1f} by chance")

# %%
# At 0.01, most of the flagged rows are not there by chance. Since the mistakes are known here, the
# choice can be checked:

is_wrong = new.index.isin(np.concatenate([wrong_return, wrong_point, wrong_date]))
flagged = p_values <= 0.01
print(f"{flagged[is_wrong].sum()} of {is_wrong.sum()} mistakes are flagged")
print(f"{flagged[~is_wrong].sum()} of {(~is_wrong).sum()} other rows are flagged")

AnomalyScoreDisplay.from_estimator(detector, new, np.where(is_wrong, -1, 1), n_examples=12)
plt.show()

# %%
# Three rows explained
# --------------------
# By how much would the score rise if a cell had the value that the model expects, given the rest of
# the row? Below are the most unusual rows of each kind of mistake.

scores = pd.Series(detector.score_samples(new))
rows = [scores[kind].idxmin() for kind in (wrong_return, wrong_point, wrong_date)]
explanation = detector.explain(new.loc[rows])
for row, cell in zip(rows, explanation.drop_duplicates("row").itertuples(), strict=True):
    print(f"row {row}: {cell.feature} = {cell.value}, expected {cell.expected}")

ExplanationDisplay.from_estimator(detector, new.loc[rows])
plt.show()

# %%
# A file to check by hand
# -----------------------
# The flagged rows, the most unusual first, with the cell to look at:

suspicious = new[flagged].assign(p_value=p_values[flagged].round(4), score=scores[flagged])
reasons = detector.explain(new[flagged]).drop_duplicates("row")["feature"]
suspicious["reason"] = reasons.to_numpy()
suspicious.sort_values("score").drop(columns="score").to_csv(folder / "check.csv", index=False)
print(*(folder / "check.csv").read_text().splitlines()[:6], sep="\n")
temporary.cleanup()

# sphinx_gallery_thumbnail_number = 2
