"""Boosted trees. One file a library; none is imported before a fit."""
