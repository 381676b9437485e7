"""Tests of members, out-of-fold predictions, the cross-fitted stack and their invariants."""
