"""Probabilities of logits, shared by every model that ends in a softmax."""

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of float64 logits, shape (N, K); each row from itself alone, bit for bit."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    np.exp(shifted, out=shifted)
    return shifted / shifted.sum(axis=1, keepdims=True)
