"""Files: bytes, values, checkpoints and ONNX graphs. Nothing here depends on the estimators."""
