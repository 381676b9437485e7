"""Adapters: as-of joins, containers and scaling."""
