"""Tests of :mod:`factory_assets.market`."""
