"""Tests of the feature catalogue."""
