"""Splits: intervals, folds, study and their brute-force checks."""
