"""Tests of phase 4, labels."""
