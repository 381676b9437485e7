"""Seeded worlds end to end: the null must show no direction, the planted drift must be found."""
