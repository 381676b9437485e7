"""Tests of :mod:`factory_assets.indicators`."""
