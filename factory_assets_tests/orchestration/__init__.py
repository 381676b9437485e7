"""The glue: partitions, publication, failing invariants, ranges, ledger."""
