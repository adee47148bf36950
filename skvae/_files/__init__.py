"""Files: bytes, values, checkpoints and graphs. None of these knows an estimator."""
