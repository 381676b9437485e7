"""Classical models. Neighbours: boosted trees in ``boosting``, combiners of predictions in ``meta``."""
