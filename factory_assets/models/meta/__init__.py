"""Meta-learners: they take base models' out-of-fold probabilities, never features."""
