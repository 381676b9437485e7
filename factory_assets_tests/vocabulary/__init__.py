"""Tests of what everything speaks."""
