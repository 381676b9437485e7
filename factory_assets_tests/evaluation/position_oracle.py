"""One position at a time, in plain Python, on top of the label oracle: what the simulator has to equal trade by trade.

Written from the specification: no numpy, nothing of the factory. A *signal* is a dict with ``decision_time``, ``side``,
``atr``, ``cost``, ``flat_time`` and ``roll_time``.
"""

from factory_assets_tests.labels.oracle import oracle_outcome


def oracle_trades(signals, minutes, *, k_up, k_down, max_bars, point_dollars):
    """Trades of one account, as dicts in order."""
    trades, closed_at = [], None
    for signal in signals:
        if signal["side"] == 0:
            continue
        if closed_at is not None and signal["decision_time"] < closed_at:
            continue  # in position: the signal is ignored, not queued
        outcome = oracle_outcome(
            signal["decision_time"],
            minutes,
            k_up=k_up,
            k_down=k_down,
            max_bars=max_bars,
            atr=signal["atr"],
            flat_time=signal["flat_time"],
            roll_time=signal["roll_time"],
            cost=signal["cost"],
        )
        if outcome["status"] == "no_entry":
            continue
        long = signal["side"] > 0
        closed_at = outcome["t1"]
        net = outcome["net_long"] if long else outcome["net_short"]
        trades.append(
            {
                "decision_time": signal["decision_time"],
                "side": signal["side"],
                "entry_time": outcome["entry_time"],
                "exit_time": outcome["t1"],
                "entry_price": outcome["entry_price"],
                "exit_price": outcome["exit_long"] if long else outcome["exit_short"],
                "cost": signal["cost"],
                "net_points": net,
                "net_dollars": net * point_dollars,
            }
        )
    return trades
