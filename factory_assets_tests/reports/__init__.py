"""Figures, the page, and the sentence a reader looks for first."""
