"""Tests of factory_assets.evaluation: known values, naive loops, an independent position oracle."""
