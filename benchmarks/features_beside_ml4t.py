"""Features both libraries have, beside ml4t-engineer: the same bars, the same run, CPU nanoseconds a feature and row.

    python benchmarks/features_beside_ml4t.py --peer PYTHON [--bars FILE.parquet] [--rows 100000]

PYTHON is an interpreter of an environment of its own with ``ml4t-engineer`` (it wants another numpy than ours):
``python -m venv peer; peer/bin/pip install ml4t-engineer; --peer peer/bin/python``. The bars are a ``bars_*`` table
with ``contract``; SIMULATED ones by default. The peer reads them adjusted, as the factory's features do.

The peer is called once a feature, after a call that compiles. Ours are the same number of features out of one call of
``compute``, checks of the bars included; what a feature shares with another is paid once, which is the factory's way of
working. Where both follow one definition the values have to agree, or nothing is printed; where the definitions are
relatives (a distance here, a level there; another window form) only the time is compared, and the table says so.
CPU seconds, all threads of a process; medians of the repeats. Its compiled features are as fast as ours alone, its
Python loops a thousand times slower: both the ratio of the sums and that of the median feature are printed.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from factory_assets.features import compute
from factory_assets.market.canonical import build_canonical
from factory_assets.market.sessions import SessionCalendar
from factory_assets.market.synthetic import simulate
from factory_assets.vocabulary.instruments import instrument
from factory_assets.vocabulary.settings import MarketSettings

RUNS = 5
LIMIT = 50.0
PEER = Path(__file__).with_name("peer_ml4t.py")
SETTLED = 1_000


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One of our features and the peer's: same definition if ``scale`` turns the peer's values into ours."""

    ours: str
    theirs: str
    parameters: dict[str, int] = field(default_factory=dict)
    scale: float | None = None


PAIRS = (
    Pair(ours="rsi_7", theirs="rsi", parameters={"period": 7}, scale=1.0),
    Pair(ours="rsi_14", theirs="rsi", parameters={"period": 14}, scale=1.0),
    Pair(ours="rsi_21", theirs="rsi", parameters={"period": 21}, scale=1.0),
    Pair(ours="stochastic_k_14", theirs="stochastic"),
    Pair(ours="stochastic_rsi_14", theirs="stochrsi"),
    Pair(ours="macd_line_12_26_atr", theirs="macd"),
    Pair(ours="cci_20", theirs="cci", parameters={"period": 20}, scale=1.0),
    Pair(ours="trix_15_pct", theirs="trix", parameters={"timeperiod": 15}),
    Pair(ours="ultimate_oscillator_7_14_28", theirs="ultosc", scale=1.0),
    Pair(ours="aroon_oscillator_25", theirs="aroonosc", parameters={"timeperiod": 25}),
    Pair(ours="distance_sma_50_atr", theirs="sma", parameters={"period": 50}),
    Pair(ours="distance_ema_21_atr", theirs="ema", parameters={"period": 21}),
    Pair(ours="distance_kama_10_atr", theirs="kama", parameters={"timeperiod": 10}),
    Pair(ours="adx_14", theirs="adx"),
    Pair(ours="plus_di_14", theirs="plus_di"),
    Pair(ours="minus_di_14", theirs="minus_di"),
    Pair(ours="sar_distance_atr", theirs="sar"),
    Pair(ours="regression_slope_20_atr", theirs="linearreg_slope", parameters={"timeperiod": 20}),
    Pair(ours="efficiency_ratio_10", theirs="fractal_efficiency", parameters={"period": 10}),
    Pair(ours="choppiness_14", theirs="choppiness_index"),
    Pair(ours="hurst_120", theirs="hurst_exponent", parameters={"period": 120}),
    Pair(ours="atr_pct_14", theirs="natr", scale=0.01),
    Pair(ours="realised_vol_20", theirs="realized_volatility"),
    Pair(ours="parkinson_vol_20", theirs="parkinson_volatility"),
    Pair(ours="garman_klass_ratio_20", theirs="garman_klass_volatility"),
    Pair(ours="rogers_satchell_vol_20", theirs="rogers_satchell_volatility"),
    Pair(ours="yang_zhang_ratio_20", theirs="yang_zhang_volatility"),
    Pair(ours="bollinger_position_20", theirs="bollinger_bands"),
    Pair(ours="donchian_position_20", theirs="donchian_channels"),
    Pair(ours="vol_of_vol_60", theirs="volatility_of_volatility"),
    Pair(ours="mfi_14", theirs="mfi"),
    Pair(ours="obv_slope_20", theirs="obv"),
    Pair(ours="amihud_20", theirs="amihud_illiquidity"),
    Pair(ours="kyle_lambda_20", theirs="kyle_lambda"),
    Pair(ours="roll_spread_20", theirs="roll_spread_estimator"),
    Pair(ours="flow_imbalance_20", theirs="order_flow_imbalance"),
    Pair(ours="variance_ratio_5_60", theirs="variance_ratio", parameters={"window": 60, "q": 5}),
    Pair(ours="skewness_60", theirs="higher_moments", parameters={"window": 60}),
    Pair(ours="drawdown_120_atr", theirs="maximum_drawdown", parameters={"window": 120}),
)


def simulated_bars(rows: int) -> pd.DataFrame:
    product = instrument("SIM")
    raw = simulate("null", 1, rows // 1_300 + 12)
    bars = build_canonical(raw, product, SessionCalendar.of(product), MarketSettings()).bars.iloc[:rows]
    return bars.assign(contract="SIM")


def peer_frame(bars: pd.DataFrame) -> pd.DataFrame:
    factor = bars["adjustment_ratio"].to_numpy()
    prices = {name: bars[name].to_numpy() * factor for name in ("open", "high", "low", "close")}
    returns = np.zeros(len(bars))
    returns[1:] = prices["close"][1:] / prices["close"][:-1] - 1.0
    return pd.DataFrame({"timestamp": bars["close_time"], **prices, "volume": bars["volume"], "returns": returns})


def theirs(python: str, bars: pd.DataFrame) -> tuple[dict[str, float], pd.DataFrame]:
    """CPU seconds of each pair's feature of the peer, and its values."""
    wanted = {each.ours: {"name": each.theirs, "params": each.parameters} for each in PAIRS}
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder, name)) for name in ("bars.parquet", "wanted.json", "values.parquet")]
        peer_frame(bars).to_parquet(paths[0])
        Path(paths[1]).write_text(json.dumps(wanted), encoding="utf-8")
        done = subprocess.run([python, str(PEER), *paths], capture_output=True, text=True, check=True)
        return json.loads(done.stdout), pd.read_parquet(paths[2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="interpreter of an environment with ml4t-engineer")
    parser.add_argument("--bars", type=Path, help="bars_* table as Parquet, with contract")
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args()
    if options.peer is None:
        print("no peer: give --peer PYTHON of an environment with ml4t-engineer")
        return
    bars = (pd.read_parquet(options.bars) if options.bars else simulated_bars(options.rows)).iloc[: options.rows]
    names = [each.ours for each in PAIRS]
    ours = compute(bars, names)
    seconds, peer = theirs(options.peer, bars)
    for each in PAIRS:
        if each.scale is not None:
            left, right = ours[each.ours].to_numpy()[SETTLED:], peer[each.ours].to_numpy()[SETTLED:] * each.scale
            np.testing.assert_allclose(left, right, rtol=1e-6, atol=1e-6 * np.abs(left).mean(), err_msg=each.ours)
    together, alone = [], {name: [] for name in names}
    for _ in range(RUNS):
        start = time.process_time()
        compute(bars, names)
        together.append(time.process_time() - start)
        for name in names:
            start = time.process_time()
            compute(bars, [name])
            alone[name].append(time.process_time() - start)
    cells = len(bars) * len(names)
    per_row = 1e9 / len(bars)
    print(f"{len(names)} features both have, {len(bars):,} bars, CPU ns a row: ours alone, the peer's, ratio")
    for each in PAIRS:
        own, other = statistics.median(alone[each.ours]), seconds[each.ours]
        note = "equal values" if each.scale is not None else "a relative"
        print(
            f"  {each.ours:<28}{own * per_row:9.0f}{other * per_row:9.0f}{other / own:9.1f} x   {each.theirs}, {note}"
        )
    own, other = statistics.median(together), sum(seconds.values())
    print(f"  all in one call {own * 1e9 / cells:.1f} ns a feature and row, the peer {other * 1e9 / cells:.0f}")
    print(f"  {other / own:.1f} x (limit {LIMIT:.0f}); of that the peer's three slowest make the most:")
    usual = statistics.median(seconds.values()) * len(names)
    print(f"  its median feature is {usual / own:.1f} x our share of the call")


if __name__ == "__main__":
    main()
