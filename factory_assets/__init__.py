"""An ML factory for systematic futures trading, as a Dagster asset graph."""
