"""Training: objects and rows in, a trained net out. It does not read or write files."""
