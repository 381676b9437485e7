"""The whole graph as its users drive it: command line, Dagster, browser."""
