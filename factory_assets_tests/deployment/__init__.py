"""Tests of release bundles, the live predictor and its parity with batch."""
