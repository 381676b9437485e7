"""Tests of the causality certificate: what it must let through and what it must catch."""
