"""The instrument table: what a contract is worth, costs and trades like.

One row a contract. Prices are in points, costs in ticks; ``cost_price`` is the only place where a cost becomes a
price. Fees carry the date and the source they were taken from, because they change.
"""

from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from factory_assets.vocabulary.errors import UnknownNameError


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """One futures product.

    Attributes
    ----------
    symbol : str
        Product root, the partition key.
    name : str
        Name shown on pages.
    calendar : str
        Name of the exchange calendar whose sessions the product trades in.
    asset_class : str
        ``equity_index``, ``metals`` or ``simulated``; selects dated calendar corrections and first-notice rules.
    tick_size : float
        Smallest price step in points.
    point_dollars : float
        Dollars of one point for one contract.
    commission_ticks : float
        Round-trip commission and fees, in ticks.
    slippage_low_ticks, slippage_high_ticks : float
        Slippage of one side in low and in high volatility, in ticks.
    fees_as_of : date
        Day the cost figures were taken.
    fees_source : str
        Where they were taken from.
    delivery_months : str
        Month codes with a listed delivery, e.g. ``"HMUZ"``.
    first_notice_rule : str
        ``"cash"`` (no notice; the last trading day binds) or ``"month_before"`` (first notice is the last business
        day of the month before delivery).
    simulated : bool
        True if every table, plot and report of it must say SIMULATED.
    """

    symbol: str
    name: str
    calendar: str
    asset_class: str
    tick_size: float
    point_dollars: float
    commission_ticks: float
    slippage_low_ticks: float
    slippage_high_ticks: float
    fees_as_of: date
    fees_source: str
    delivery_months: str
    first_notice_rule: str
    simulated: bool = False

    @property
    def tick_dollars(self) -> float:
        """Dollars of one tick for one contract."""
        return self.tick_size * self.point_dollars

    def cost_ticks(self, *, high_volatility: bool) -> float:
        """Round-trip cost in ticks: commission plus slippage on both sides."""
        slippage = self.slippage_high_ticks if high_volatility else self.slippage_low_ticks
        return self.commission_ticks + 2.0 * slippage

    def cost_price(self, *, high_volatility: bool) -> float:
        """Round-trip cost as a price in points: ticks x tick size (never ticks x dollars).

        Examples
        --------
        >>> instrument("MES").cost_price(high_volatility=False)
        0.375
        """
        return self.cost_ticks(high_volatility=high_volatility) * self.tick_size


_FEES_SOURCE = "factory specification, section 1 (commission + 2 x slippage); compare with your broker's schedule"
_NQ_FEES_SOURCE = (
    "assumption: 4.50 dollars a round trip (exchange, clearing and broker) = 0.9 ticks of 5 dollars, slippage as the "
    "specification charges MES; compare with your broker's schedule"
)

INSTRUMENTS: MappingProxyType[str, Instrument] = MappingProxyType(
    {
        row.symbol: row
        for row in (
            Instrument(
                symbol="MES",
                name="Micro E-mini S&P 500",
                calendar="CMES",
                asset_class="equity_index",
                tick_size=0.25,
                point_dollars=5.0,
                commission_ticks=0.5,
                slippage_low_ticks=0.5,
                slippage_high_ticks=1.0,
                fees_as_of=date(2026, 11, 20),
                fees_source=_FEES_SOURCE,
                delivery_months="HMUZ",
                first_notice_rule="cash",
            ),
            Instrument(
                symbol="MGC",
                name="Micro Gold",
                calendar="CMES",
                asset_class="metals",
                tick_size=0.10,
                point_dollars=10.0,
                commission_ticks=1.3,
                slippage_low_ticks=0.5,
                slippage_high_ticks=1.0,
                fees_as_of=date(2026, 11, 20),
                fees_source=_FEES_SOURCE,
                delivery_months="GJMQVZ",
                first_notice_rule="month_before",
            ),
            Instrument(
                symbol="NQ",
                name="E-mini Nasdaq-100",
                calendar="CMES",
                asset_class="equity_index",
                tick_size=0.25,
                point_dollars=20.0,
                commission_ticks=0.9,
                slippage_low_ticks=0.5,
                slippage_high_ticks=1.0,
                fees_as_of=date(2026, 11, 20),
                fees_source=_NQ_FEES_SOURCE,
                delivery_months="HMUZ",
                first_notice_rule="cash",
            ),
            Instrument(
                symbol="SIM",
                name="Simulated index future (SIMULATED)",
                calendar="CMES",
                asset_class="simulated",
                tick_size=0.25,
                point_dollars=5.0,
                commission_ticks=0.5,
                slippage_low_ticks=0.5,
                slippage_high_ticks=1.0,
                fees_as_of=date(2026, 11, 20),
                fees_source=_FEES_SOURCE,
                delivery_months="HMUZ",
                first_notice_rule="cash",
                simulated=True,
            ),
        )
    }
)


def instrument(symbol: str) -> Instrument:
    """Look up one instrument.

    Raises
    ------
    UnknownNameError
        If the table has no such symbol.
    """
    found = INSTRUMENTS.get(symbol)
    if found is None:
        raise UnknownNameError(f"contract {symbol!r} is not in the instrument table; known: {sorted(INSTRUMENTS)}")
    return found
