"""Training: objects and rows in, a trained net out. It knows no files."""
