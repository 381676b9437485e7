"""Neural networks on windows: one trainer, one model class around it, one file a network."""
