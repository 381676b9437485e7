"""The one exception tree of the factory.

Every message names what was expected, what came, where (contract, partition, column, row, time) and what to do.
The command line maps :class:`UserError` to exit code 2 and every other :class:`FactoryError` to exit code 1.
"""


class FactoryError(Exception):
    """Root of every error the factory raises on purpose."""

    exit_code = 1


class UserError(FactoryError):
    """The user asked for something that cannot be done; nothing was changed."""

    exit_code = 2


class ConfigurationError(UserError):
    """An unknown configuration key, a wrong type, or a value out of range."""


class UnknownNameError(UserError):
    """A contract, timeframe, model, feature or table that no registry holds."""


class NaiveTimestampError(UserError):
    """A timestamp without a time zone arrived at a public entry."""


class BadInputError(UserError):
    """A file, path or table that cannot be read as what it was said to be."""


class AmbiguousFormatError(BadInputError):
    """Two declared formats fit the same file; the declaration has to say which."""


class ForeignContractError(BadInputError):
    """Rows of one contract arrived in the partition of another."""


class TooLittleHistoryError(UserError):
    """Not enough sessions for purge, embargo and non-empty folds."""


class SealedPeriodError(UserError):
    """Test outcomes were asked for without an opening, or the ledger is not intact."""


class StorageError(FactoryError):
    """Root of what the store refuses."""


class RemoteStoreError(StorageError):
    """The object store could not be reached, or refused a request."""


class IntegrityError(StorageError):
    """Stored bytes do not hash to what the manifest says, or a manifest is damaged."""


class SchemaMismatchError(StorageError):
    """Columns or types differ from the declared table schema."""


class MissingPartitionError(StorageError, UserError):
    """A partition that has not been materialized yet was read."""

    exit_code = 2


class BlockedPartitionError(StorageError):
    """The partition's last attempt failed an invariant; consumers refuse it."""


class LineageConflictError(StorageError):
    """Two inputs were made from different versions of one ancestor."""


class LockTimeoutError(StorageError):
    """Another process kept the partition's lock for longer than the limit."""


class NotFittedError(UserError):
    """A model, scaler or member was asked to predict or to be saved before a fit that finished."""


class FitError(FactoryError):
    """A fit did not reach what it has to reach (convergence, finite parameters); nothing of it is kept."""


class InvariantViolationError(FactoryError):
    """An invariant evaluated by the producer is false; nothing was written."""
