"""Tests of the factory; the folders mirror the package."""
