"""What every other package speaks: instruments, timeframes, settings, schemas, partition keys, verdicts, errors.

Belongs here: words, types and conversions without behaviour of their own. Does not: anything that reads or writes a
file of data (see :mod:`factory_assets.storage`) or computes a market quantity. Imports nothing of the factory.
"""
