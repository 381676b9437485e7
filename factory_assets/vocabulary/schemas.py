"""Table schemas: one declaration yields the stored types, the check on write and read, and the UI's documentation.

Times are microseconds in UTC. Every table carries ``contract``, and ``horizon`` where it has one; the store adds both.
Prices are *traded* prices in points unless a column says otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import pyarrow as pa

from factory_assets.vocabulary.errors import UnknownNameError
from factory_assets.vocabulary.timeframes import TIMEFRAMES_MINUTES, bars_name, features_name

TIME = pa.timestamp("us", tz="UTC")
DATE = pa.date32()
FLOAT = pa.float64()
FLOAT32 = pa.float32()
INT = pa.int64()
INT8 = pa.int8()
BOOL = pa.bool_()
TEXT = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True)
class Column:
    """One column: name, Arrow type, and what it means (unit included).

    ``nullable``: single cells may be missing (null). ``all_or_none``: a float column of which either every cell is a
    number or every cell is NaN, because the source does not record it.
    """

    name: str
    type: pa.DataType
    meaning: str
    nullable: bool = False
    all_or_none: bool = False


@dataclass(frozen=True, kw_only=True)
class TableSchema:
    """One table of the factory.

    Attributes
    ----------
    name : str
        Table, view and asset name.
    group : str
        Folder in the store and asset group (``market``, ``features``, ...).
    by_horizon : bool
        Whether the table is partitioned by contract and horizon, or by contract alone.
    columns : tuple of Column
        Declared columns in order, without ``contract`` and ``horizon``.
    order_by : tuple of str
        Columns that sort the rows; together with the partition they identify one row.
    session_column : str or None
        Date column by which history grows and slices are cut (``trade_date``); None if the table has no such slices.
    open_type : pyarrow.DataType or None
        Type of further columns not named here (one a feature, null where a warm-up masks the cell); None if there
        may be none.
    may_be_empty : bool
        Whether zero rows are a valid partition (a quarantine without bad bars).
    """

    name: str
    group: str
    by_horizon: bool
    columns: tuple[Column, ...]
    order_by: tuple[str, ...]
    session_column: str | None = None
    open_type: pa.DataType | None = None
    may_be_empty: bool = False

    @property
    def stored_columns(self) -> tuple[Column, ...]:
        """Declared columns with the partition's own in front."""
        partition = [Column("contract", TEXT, "Futures product, the partition key")]
        if self.by_horizon:
            partition.append(Column("horizon", INT, "Horizon in base bars, the partition key"))
        return (*partition, *self.columns)

    def arrow(self, extra: Sequence[str] = ()) -> pa.Schema:
        """Exact Arrow schema, with ``extra`` open columns at the end."""
        fields = [pa.field(c.name, c.type, nullable=c.nullable) for c in self.stored_columns]
        fields += [pa.field(name, self.open_type, nullable=True) for name in extra]
        return pa.schema(fields)


_EXPIRY = Column("expiry", TEXT, "Delivery month traded, as the exchange names it (MGCG3)")
_SOURCE_FILE = Column("source_file", TEXT, "Raw file the row was read from")
_SOURCE_ROW = Column("source_row", INT, "Position of the row among the outright rows of its file, from 0")
_OPEN_TIME = Column("open_time", TIME, "Start of the bar")
_CLOSE_TIME = Column("close_time", TIME, "End of the bar: the moment the bar is known")
_TRADE_DATE = Column("trade_date", DATE, "CME session the bar belongs to")
_PRICES = tuple(
    Column(name, FLOAT, f"{meaning} traded price, points")
    for name, meaning in (("open", "First"), ("high", "Highest"), ("low", "Lowest"), ("close", "Last"))
)
_VOLUME = Column(
    "volume",
    FLOAT,
    "Contracts traded, or trades where the folder declares ticks; NaN on every row where the vendor records no volume",
    all_or_none=True,
)
_RATIO = Column(
    "adjustment_ratio", FLOAT, "Factor from traded to adjusted price, chained forward over the rolls so far"
)
_DIFFERENCE = Column(
    "adjustment_difference",
    FLOAT,
    "Points from the difference-adjusted to the traded price, summed forward over the rolls so far",
)
_DECISION = Column("decision_time", TIME, "Close of the base bar at which the decision is taken")
_PROBABILITIES = tuple(
    Column(name, FLOAT, f"Probability that the {meaning}")
    for name, meaning in (
        ("p_down", "lower barrier is touched first"),
        ("p_flat", "vertical barrier comes first, or the outcome is a tie"),
        ("p_up", "upper barrier is touched first"),
    )
)
_LABEL = Column("label", INT8, "+1 upper first, -1 lower first, 0 neither or tie")
_WEIGHT = Column("weight", FLOAT, "Sample weight (average uniqueness, mean 1 over train)")


def _bars(minutes: int) -> TableSchema:
    return TableSchema(
        name=bars_name(minutes),
        group="market",
        by_horizon=False,
        columns=(
            _EXPIRY,
            _OPEN_TIME,
            _CLOSE_TIME,
            _TRADE_DATE,
            *_PRICES,
            _VOLUME,
            Column("minutes", INT, "Traded minutes inside the bar"),
            _RATIO,
        ),
        order_by=("close_time",),
        session_column="trade_date",
    )


def _features(minutes: int) -> TableSchema:
    return TableSchema(
        name=features_name(minutes),
        group="features",
        by_horizon=False,
        columns=(_CLOSE_TIME, _TRADE_DATE),
        order_by=("close_time",),
        session_column="trade_date",
        open_type=FLOAT32,
    )


RAW_MINUTES = TableSchema(
    name="raw_minutes",
    group="market",
    by_horizon=False,
    columns=(
        _SOURCE_FILE,
        _SOURCE_ROW,
        _EXPIRY,
        _OPEN_TIME,
        *_PRICES,
        _VOLUME,
    ),
    order_by=("expiry", "open_time", "source_file", "source_row"),
)
CANONICAL_BARS = TableSchema(
    name="canonical_bars",
    group="market",
    by_horizon=False,
    columns=(_EXPIRY, _OPEN_TIME, _CLOSE_TIME, _TRADE_DATE, *_PRICES, _VOLUME, _RATIO, _DIFFERENCE),
    order_by=("close_time",),
    session_column="trade_date",
)
QUARANTINE = TableSchema(
    name="quarantine",
    group="market",
    by_horizon=False,
    columns=(
        _SOURCE_FILE,
        _SOURCE_ROW,
        _EXPIRY,
        _OPEN_TIME,
        Column("reason", TEXT, "Rule the row broke"),
        *(Column(c.name, c.type, c.meaning, nullable=True) for c in (*_PRICES, _VOLUME)),
    ),
    order_by=("expiry", "open_time", "source_file", "source_row"),
    may_be_empty=True,
)
RESTATEMENTS = TableSchema(
    name="restatements",
    group="market",
    by_horizon=False,
    columns=(
        _EXPIRY,
        _OPEN_TIME,
        Column("seen_at", TIME, "When the raw files were read that tell the minute otherwise"),
        *(
            column
            for side, when in (("old", "before"), ("new", "now"))
            for column in (
                Column(f"{side}_source_file", TEXT, f"Raw file that told the minute {when}"),
                Column(f"{side}_source_row", INT, "Position of that row among the outright rows of its file, from 0"),
                *(
                    Column(f"{side}_{c.name}", FLOAT, f"{c.meaning.partition(';')[0]}, as told {when}", nullable=True)
                    for c in (*_PRICES, _VOLUME)
                ),
            )
        ),
    ),
    order_by=("expiry", "open_time", "seen_at", "new_source_file", "new_source_row"),
    may_be_empty=True,
)
ROLLS = TableSchema(
    name="rolls",
    group="market",
    by_horizon=False,
    columns=(
        Column("trade_date", DATE, "Session at whose open the series changes to the later month"),
        Column("from_expiry", TEXT, "Month left"),
        Column("to_expiry", TEXT, "Month entered"),
        Column("ratio", FLOAT, "Median from_close / to_close over the previous session's paired minutes"),
        Column("difference", FLOAT, "Median to_close - from_close over the same minutes, points"),
        Column("paired_minutes", INT, "Minutes both traded in the previous session; 0 if joined without overlap"),
        Column("reason", TEXT, "What the rule found, or the last session before first notice; how it was joined"),
    ),
    order_by=("trade_date",),
    session_column="trade_date",
    may_be_empty=True,
)
OPEN_INTEREST = TableSchema(
    name="open_interest",
    group="market",
    by_horizon=False,
    columns=(
        Column("trade_date", DATE, "Session at whose end the contracts were open"),
        _EXPIRY,
        Column("open_interest", INT, "Contracts open at the end of the session"),
        Column("usable_from", DATE, "First session at whose open it had been published, usually the one after next"),
    ),
    order_by=("trade_date", "expiry"),
    # No session column: figures may come late. What they change in bars shows in the bars' own digests, and figures
    # that no roll rule reads must not set apart what was made before and after they came.
    may_be_empty=True,
)
GAPS = TableSchema(
    name="gaps",
    group="market",
    by_horizon=False,
    columns=(
        _EXPIRY,
        Column("trade_date", DATE, "Session the gap lies in"),
        Column("start_time", TIME, "First scheduled minute without a trade; a bar of volume 0 is none"),
        Column("end_time", TIME, "End of the last one: the open of the next bar that trades, or the session's close"),
        Column("missing_minutes", INT, "Scheduled minutes without a trade"),
        Column(
            "usual_minutes",
            INT,
            "99.9th percentile of the waits for a bar about that minute of the week in earlier regular sessions; known "
            "before the session",
        ),
        Column("observations", INT, "Waits that percentile was taken from"),
        Column("pool", TEXT, "Which waits: how far around the minute, and on which weekdays"),
        Column("explanation", TEXT, "calendar, other_expiries_silent, quarantined or unexplained"),
        Column("evidence", TEXT, "What the explanation rests on"),
    ),
    order_by=("start_time",),
    session_column="trade_date",
    may_be_empty=True,
)
COVERAGE = TableSchema(
    name="coverage",
    group="market",
    by_horizon=False,
    columns=(
        Column("trade_date", DATE, "Session, from the first to the last that has a canonical bar"),
        Column("expiry", TEXT, "Front month of the session; of the session before if it has no bar"),
        Column("open_time", TIME, "Scheduled open"),
        Column("close_time", TIME, "Scheduled close"),
        Column("scheduled_minutes", INT, "Minutes the session is scheduled to trade"),
        Column("traded_minutes", INT, "Scheduled minutes with a canonical bar, those of volume 0 left out"),
        Column("zero_volume_minutes", INT, "Canonical bars of volume 0, which are no trade; 0 without volume"),
        Column("share", FLOAT, "traded_minutes / scheduled_minutes; the newest session may still be trading"),
        Column("any_month_minutes", INT, "Scheduled minutes in which the raw files hold a trade of any delivery month"),
        Column("silent_open_minutes", INT, "Scheduled minutes before the first trade of any delivery month"),
        Column("silent_close_minutes", INT, "Scheduled minutes after the last trade of any delivery month"),
        Column("listed_gaps", INT, "Rows of the table gaps in the session"),
        Column("quarantined", INT, "Quarantined raw rows of any delivery month whose open_time lies in the session"),
        Column("calendar_note", TEXT, "Why the session is no regular one, and which table says so; empty if it is"),
    ),
    order_by=("trade_date",),
    session_column="trade_date",
)
_TIMEFRAME = Column("minutes", INT, "Timeframe of the bars")
REGIME_PARAMETERS = TableSchema(
    name="regime_parameters",
    group="features",
    by_horizon=False,
    columns=(
        Column(
            "trade_date",
            DATE,
            "Session at whose close the row is known: the last one before valid_from, or the first of all",
        ),
        Column("valid_from", DATE, "First session the parameters hold for: the first scheduled one of a quarter"),
        Column("valid_to", DATE, "First session they no longer hold for: the first scheduled one of the next quarter"),
        _TIMEFRAME,
        Column("state", INT8, "Volatility of the state: 0 low, 1 mid, 2 high"),
        Column("sessions", INT, "Complete sessions before valid_from, counted up to the 120 an estimate needs"),
        Column("rows", INT, "Bars estimated from; 0 where too few sessions leave the quarter without parameters"),
        Column("first_session", DATE, "First session estimated from; the last one is trade_date", nullable=True),
        Column("variance", FLOAT, "Variance of a bar's log return in the state", nullable=True),
        *(
            Column(f"to_{name}", FLOAT, f"Probability that the {name} state follows this one", nullable=True)
            for name in ("low", "mid", "high")
        ),
    ),
    order_by=("trade_date", "valid_from", "minutes", "state"),
    session_column="trade_date",
)
FEATURE_CERTIFICATE = TableSchema(
    name="feature_certificate",
    group="features",
    by_horizon=False,
    columns=(
        _TIMEFRAME,
        Column("feature", TEXT, "Feature, or positive control: a deliberately bad feature that has to be caught"),
        Column("group", TEXT, "Group of the catalogue; control for positive controls"),
        Column(
            "aspect",
            TEXT,
            "truncation, perturbation (around each cut), whole_partition (one perturbation of everything later), "
            "lookback or scale",
        ),
        Column("comparisons", INT, "Cuts, times scale factors, at which the feature was recomputed and compared"),
        Column("cells", INT, "Single values compared"),
        Column(
            "worst_error",
            FLOAT,
            "Largest difference as a share of the value or of the column's mean absolute value; infinite for a value "
            "missing on one side, and for any difference where values have to be bit-identical",
        ),
        Column("tolerance", FLOAT, "Largest worst_error allowed; 0: bit-identical"),
        Column("passed", BOOL, "No difference beyond the tolerance; false for a control means that it was caught"),
        Column("must_fail", BOOL, "One of the aspects of which at least one has to catch this control"),
    ),
    order_by=("minutes", "feature", "aspect"),
)
FEATURE_HEALTH = TableSchema(
    name="feature_health",
    group="features",
    by_horizon=False,
    columns=(
        _TIMEFRAME,
        Column("feature", TEXT, "Feature"),
        Column("group", TEXT, "Group of the catalogue"),
        Column("rows", INT, "Bars of the timeframe"),
        Column("lookback_bars", INT, "Declared look-back: trailing bars that give the value of all history"),
        Column("warmup_bars", INT, "Declared warm-up: bars at the start of history that may be masked"),
        Column("masked_rows", INT, "Rows without a value"),
        Column("complete_from_row", INT, "First row, from 0, from which on no value is missing; rows if there is none"),
        Column(
            "not_finite", INT, "Values after the declared warm-up that are missing, infinite or too large to be stored"
        ),
        Column(
            "judged",
            BOOL,
            "Five sessions of rows follow the warm-up (and the first regime parameters, if it reads them): enough to "
            "call it constant or a duplicate",
        ),
        Column("constant", BOOL, "The stored value never changes"),
        Column(
            "largest_correlation",
            FLOAT,
            "Largest |r| with another feature over all rows after both warm-ups; null where not judged",
            nullable=True,
        ),
        Column("closest_feature", TEXT, "Which one; empty where not judged"),
    ),
    order_by=("minutes", "feature"),
)
LABELS = TableSchema(
    name="labels",
    group="labels",
    by_horizon=True,
    columns=(
        _DECISION,
        _TRADE_DATE,
        Column("t0", TIME, "Start of the label's interval: the decision time"),
        Column("t1", TIME, "End of the label's interval: the moment the outcome is known", nullable=True),
        Column("label", INT8, "+1 upper first, -1 lower first, 0 neither or tie", nullable=True),
        Column("tie", BOOL, "One minute touched both barriers; booked at the stop on both sides"),
        Column("eligible", BOOL, "A label exists: enough time to flat and an entry minute"),
        Column(
            "mask_reason",
            TEXT,
            "Why there is no label: too_late, no_atr, no_entry, unfinished (bars end before the outcome is known); "
            "empty if eligible",
        ),
        Column("event", BOOL, "The decision is in the sample (eligible and, with CUSUM, an event)"),
        Column("entry_time", TIME, "Open of the entry minute", nullable=True),
        Column("entry_price", FLOAT, "Open of the entry minute, points", nullable=True),
        Column("upper", FLOAT, "Upper barrier, points", nullable=True),
        Column("lower", FLOAT, "Lower barrier, points", nullable=True),
        Column("atr", FLOAT, "ATR(14) of base bars at the decision in traded points", nullable=True),
        Column("vertical_time", TIME, "Vertical barrier: max_bars on the clock, flat time or roll", nullable=True),
        Column("cost", FLOAT, "Round-trip cost, points", nullable=True),
        Column("high_volatility", BOOL, "The high cost applies"),
        Column("exit_long", FLOAT, "Exit price of a long, points", nullable=True),
        Column("exit_short", FLOAT, "Exit price of a short, points", nullable=True),
        Column("net_long", FLOAT, "Outcome of a long after costs, points", nullable=True),
        Column("net_short", FLOAT, "Outcome of a short after costs, points", nullable=True),
        Column("minutes_to_touch", FLOAT, "Minutes from entry to t1; null if no barrier was touched", nullable=True),
        Column("mae", FLOAT, "Largest move against a long while open, points (>= 0)", nullable=True),
        Column("mfe", FLOAT, "Largest move in favour of a long while open, points (>= 0)", nullable=True),
        Column("uniqueness", FLOAT, "Average uniqueness among the sample's labels", nullable=True),
    ),
    order_by=("decision_time",),
    session_column="trade_date",
)
SEALED_OUTCOMES = TableSchema(
    name="sealed_outcomes",
    group="sealed",
    by_horizon=True,
    columns=LABELS.columns,
    order_by=LABELS.order_by,
    session_column="trade_date",
)
SPLITS = TableSchema(
    name="splits",
    group="splits",
    by_horizon=True,
    columns=(
        _DECISION,
        Column("scheme", TEXT, "purged_kfold or hold_out"),
        Column("fold", INT, "Fold number; 0 for hold_out"),
        Column("role", TEXT, "train, test, purged or embargoed; hold_out adds val"),
    ),
    order_by=("scheme", "fold", "decision_time"),
)
TABULAR = TableSchema(
    name="tabular",
    group="adapters",
    by_horizon=True,
    columns=(_DECISION, _TRADE_DATE),
    order_by=("decision_time",),
    session_column="trade_date",
    open_type=FLOAT32,
)
SEQUENCE = TableSchema(
    name="sequence",
    group="adapters",
    by_horizon=True,
    columns=(
        _DECISION,
        _TRADE_DATE,
        Column("last_close", TIME, "Close of the window's newest base bar: the decision time"),
        Column("first_close", TIME, "Close of the oldest base bar the window may show"),
        Column(
            "rows", INT, "Base bars from the oldest to the newest; steps of the window before them count as missing"
        ),
    ),
    order_by=("decision_time",),
    session_column="trade_date",
)
FEATURE_CHOICE = TableSchema(
    name="feature_choice",
    group="stacking",
    by_horizon=True,
    columns=(
        Column("model", TEXT, "Base model"),
        Column("fold", INT, "Fold whose training part it was chosen on; -1 for the fit on train, the released one"),
        Column("column_name", TEXT, "Candidate: feature and, of a tabular row, timeframe"),
        Column("feature_set", TEXT, "Set the model reads"),
        Column("chosen", BOOL, "The fit reads the column"),
        Column("reason", TEXT, "medoid, alone, kept, whole (read); represented, surplus, masked, constant (left out)"),
        Column("cluster", INT, "Number of its cluster in this fit; -1 for a column in none"),
        Column("representative", TEXT, "Column chosen for the cluster, itself perhaps; empty if there is none"),
        Column("correlation", FLOAT, "Absolute rank correlation with the representative; 0 if there is none"),
        Column("masked_share", FLOAT, "Share of the rows looked at in which it is missing"),
    ),
    order_by=("model", "fold", "column_name"),
)
STACK = TableSchema(
    name="stack",
    group="stacking",
    by_horizon=True,
    columns=(
        _DECISION,
        *_PROBABILITIES,
        _LABEL,
        Column("origin", TEXT, "cross_fitted (train rows) or val"),
        Column("fold", INT, "Fold whose meta-learner never saw the row; -1 for val"),
    ),
    order_by=("decision_time",),
)
TRADES = TableSchema(
    name="trades",
    group="evaluation",
    by_horizon=True,
    columns=(
        Column("model", TEXT, "Model or baseline that traded"),
        Column("period", TEXT, "oof (train rows out of fold) or val"),
        _DECISION,
        Column("side", INT8, "+1 long, -1 short"),
        Column("entry_time", TIME, "Open of the entry minute"),
        Column("exit_time", TIME, "Moment the trade is closed"),
        Column("entry_price", FLOAT, "Entry, points"),
        Column("exit_price", FLOAT, "Exit, points"),
        Column("cost", FLOAT, "Round-trip cost, points"),
        Column("net_points", FLOAT, "Outcome after costs, points"),
        Column("net_dollars", FLOAT, "Outcome after costs, dollars, one contract"),
        Column("trade_date", DATE, "Session of the decision"),
    ),
    order_by=("model", "period", "decision_time"),
    may_be_empty=True,
)
EVALUATION = TableSchema(
    name="evaluation",
    group="evaluation",
    by_horizon=True,
    columns=(
        Column("model", TEXT, "Model or baseline"),
        Column("period", TEXT, "oof (train rows out of fold) or val"),
        Column("metric", TEXT, "Name of the metric, unit last"),
        Column("value", FLOAT, "Point estimate", nullable=True),
        Column("low", FLOAT, "Lower end of the session-bootstrap interval", nullable=True),
        Column("high", FLOAT, "Upper end of the session-bootstrap interval", nullable=True),
        Column("rows", INT, "Decisions (or trades) behind the value"),
    ),
    order_by=("model", "period", "metric"),
)
FORWARD_OUTCOMES = TableSchema(
    name="forward_outcomes",
    group="nightly",
    by_horizon=True,
    columns=LABELS.columns,
    order_by=LABELS.order_by,
    session_column="trade_date",
    may_be_empty=True,
)
_ROLE = Column("role", TEXT, "champion, or challenger: the newest refit of its recipe that ended before the session")
FORWARD_PREDICTIONS = TableSchema(
    name="forward_predictions",
    group="nightly",
    by_horizon=True,
    columns=(
        _ROLE,
        _DECISION,
        _TRADE_DATE,
        Column("release", TEXT, "Digest of the release that spoke"),
        Column("data_end", DATE, "Last session that release was fitted or judged on; before trade_date"),
        *_PROBABILITIES,
        Column("side", INT8, "+1 long, -1 short, 0 none: what the release's frozen rule takes"),
    ),
    order_by=("role", "decision_time"),
    may_be_empty=True,
)
FORWARD_REPORT = TableSchema(
    name="forward_report",
    group="nightly",
    by_horizon=True,
    columns=(
        Column(
            "scope",
            TEXT,
            "all (sessions the role scored since the promotion), paired (those both did) or before_promotion",
        ),
        Column("role", TEXT, "champion, challenger, or difference: challenger less champion"),
        Column("metric", TEXT, "Name of the metric, unit last"),
        Column("value", FLOAT, "Point estimate", nullable=True),
        Column("low", FLOAT, "Lower end of the session-bootstrap interval", nullable=True),
        Column("high", FLOAT, "Upper end of the session-bootstrap interval", nullable=True),
        Column("rows", INT, "Decisions (or trades, or sessions) behind the value"),
        Column("sessions", INT, "Sessions behind the value"),
    ),
    order_by=("scope", "role", "metric"),
    may_be_empty=True,
)


def predictions_schema(name: str, group: str) -> TableSchema:
    """Schema of ``oof_<model>`` and ``val_<model>``: one row a scored decision, fold -1 for val."""
    return TableSchema(
        name=name,
        group=group,
        by_horizon=True,
        columns=(
            _DECISION,
            Column("fold", INT, "Fold whose training part never saw the row; -1 for val"),
            *_PROBABILITIES,
            _LABEL,
            _WEIGHT,
        ),
        order_by=("decision_time",),
    )


_FIXED: MappingProxyType[str, TableSchema] = MappingProxyType(
    {
        schema.name: schema
        for schema in (
            RAW_MINUTES,
            CANONICAL_BARS,
            QUARANTINE,
            ROLLS,
            RESTATEMENTS,
            OPEN_INTEREST,
            GAPS,
            COVERAGE,
            *(_bars(m) for m in TIMEFRAMES_MINUTES),
            *(_features(m) for m in TIMEFRAMES_MINUTES),
            REGIME_PARAMETERS,
            FEATURE_CERTIFICATE,
            FEATURE_HEALTH,
            LABELS,
            SEALED_OUTCOMES,
            SPLITS,
            TABULAR,
            SEQUENCE,
            FEATURE_CHOICE,
            STACK,
            TRADES,
            EVALUATION,
            FORWARD_OUTCOMES,
            FORWARD_PREDICTIONS,
            FORWARD_REPORT,
        )
    }
)


def fixed_tables() -> MappingProxyType[str, TableSchema]:
    """Every table whose name is fixed, by name (``oof_<model>`` and ``val_<model>`` come from their models)."""
    return _FIXED


def table_schema(name: str) -> TableSchema:
    """Schema of one fixed table.

    Raises
    ------
    UnknownNameError
        If no table has that name.
    """
    if name not in _FIXED:
        raise UnknownNameError(f"table {name!r}: known tables are {sorted(_FIXED)}")
    return _FIXED[name]
