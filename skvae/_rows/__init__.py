"""Rows: where they come from, and their mini-batches."""
