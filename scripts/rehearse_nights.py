"""Rehearse unattended nights on real bars: reveal them session by session, with the daemon and the web UI running.

The clock is a file that this script moves; everything else is what a user leaves running: the sensors, the run queue,
the daemon. Raw files before the first night are written as one Parquet file, and after each session's close one more
file appears, as a vendor's nightly export would. Days without a session pass too: they have to ask for nothing.

    python scripts/rehearse_nights.py --home DIR --contract MGC --raw DIR --horizons 20 --nights 5
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd

from factory_assets.market.readers import read_folder
from factory_assets.market.sessions import SessionCalendar, Sessions
from factory_assets.splits.study import day_text
from factory_assets.vocabulary.frames import times_us
from factory_assets.vocabulary.instruments import instrument

BIN = Path(sys.executable).parent
DECLARATION = """format = "parquet"
contract = "{contract}"
bar_label = "open"
volume = "contracts"

[columns]
time = "open_time"
open = "open"
high = "high"
low = "low"
close = "close"
volume = "volume"
expiry = "expiry"
"""
COLUMNS = ["open_time", "open", "high", "low", "close", "volume", "expiry"]
QUIET_S, NIGHT_S_MAX, AFTER_CLOSE = 70, 1500, timedelta(minutes=45)


def say(text: str) -> None:
    """A line with the wall clock's time of day, at once."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


class Rehearsal:
    """A home whose bars and clock are handed out by this script."""

    def __init__(self, home: Path, contract: str, horizons: list[int], raw: Path, nights: int) -> None:
        self.home, self.contract, self.horizons = home, contract, horizons
        self.clock_file = home / "clock.txt"
        self.environment = {
            **os.environ,
            "FACTORY_HOME": str(home),
            "DAGSTER_HOME": str(home / "dagster"),
            "FACTORY_CLOCK_FILE": str(self.clock_file),
        }
        os.environ.update({name: self.environment[name] for name in ("FACTORY_HOME", "DAGSTER_HOME")})
        product = instrument(contract)
        self.minutes = read_folder(raw, product).minutes
        calendar = SessionCalendar.of(product)
        opened = times_us(self.minutes["open_time"])
        sessions = calendar.covering(opened)
        traded = np.unique(sessions.trade_day[np.searchsorted(sessions.open_us, opened, side="right") - 1])
        self.sessions: Sessions = sessions.take(np.isin(sessions.trade_day, traded))
        self.first_night = len(self.sessions.trade_day) - nights

    def set_clock(self, moment: datetime) -> None:
        """Move the rehearsal's clock, whole or not at all."""
        partial = self.clock_file.with_suffix(".new")
        partial.write_text(moment.isoformat(), encoding="utf-8")
        partial.replace(self.clock_file)

    def reveal(self, first: int, last: int, name: str) -> int:
        """Write the minutes of sessions ``first`` to ``last`` as one raw file; how many there were."""
        begin, end = (
            pd.Timestamp(int(value), unit="us", tz="UTC")
            for value in (self.sessions.open_us[first], self.sessions.close_us[last])
        )
        rows = self.minutes[(self.minutes["open_time"] >= begin) & (self.minutes["open_time"] < end)]
        folder = self.home / "raw" / self.contract
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f".{name}"
        rows.loc[:, COLUMNS].astype({"expiry": str}).to_parquet(partial, index=False)
        partial.replace(folder / name)
        return len(rows)

    def closed_at(self, place: int) -> datetime:
        """Close of a session."""
        return datetime.fromtimestamp(int(self.sessions.close_us[place]) / 1e6, tz=UTC)

    def factory(self, *arguments: str) -> None:
        """Run one ``factory`` command and wait for it."""
        say("$ factory " + " ".join(arguments))
        done = subprocess.run(
            [str(BIN / "factory"), *arguments], env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"exit {done.returncode}: {done.stderr[-3000:]}")

    def runs(self) -> list[dg.RunRecord]:
        """Every run of the instance, newest first."""
        with dg.DagsterInstance.get() as instance:
            return list(instance.get_run_records())

    def wait_for_quiet(self, night: str | None = None) -> None:
        """Until the runs of a night are over, and for a while nothing is queued, under way or asked for anew."""
        begin = quiet_since = time.monotonic()
        known = -1
        while time.monotonic() - begin < NIGHT_S_MAX:
            records = self.runs()
            refitted = [
                record
                for record in records
                if record.dagster_run.job_name == "night" and record.dagster_run.tags.get("factory/trade_date") == night
            ]
            busy = [record for record in records if not record.dagster_run.is_finished]
            awaited = night is not None and len(refitted) < len(self.horizons)
            if busy or awaited or len(records) != known:
                known, quiet_since = len(records), time.monotonic()
            elif time.monotonic() - quiet_since > QUIET_S:
                return
            time.sleep(3)
        say(f"not quiet after {NIGHT_S_MAX} s")

    def tell_new(self, before: set[str]) -> set[str]:
        """Print the runs that were not there before; their ids."""
        fresh = [record for record in reversed(self.runs()) if record.dagster_run.run_id not in before]
        for record in fresh:
            run = record.dagster_run
            seconds = (record.end_time or 0) - (record.start_time or 0)
            tags = {name: value for name, value in run.tags.items() if name.startswith("factory/")}
            say(f"  {run.job_name} {run.tags.get('dagster/partition')} {run.status.value} {seconds:.0f} s {tags}")
        if not fresh:
            say("  no run")
        return {record.dagster_run.run_id for record in fresh}


def judge(work: Rehearsal, nights: list[str]) -> None:
    """End with an error unless each partition has exactly one success for each night."""
    found = Counter(
        (tags.get("factory/trade_date"), tags.get("dagster/partition"))
        for record in work.runs()
        if record.dagster_run.status is dg.DagsterRunStatus.SUCCESS
        for tags in [record.dagster_run.tags]
        if tags.get("factory/period") == tags.get("factory/trade_date")
    )
    partitions = [work.contract, *(f"{work.contract}|{horizon}" for horizon in work.horizons)]
    counts = {(night, partition): found[night, partition] for night in nights for partition in partitions}
    for (night, partition), count in counts.items():
        say(f"{night} {partition}: {count} successes")
    if set(counts.values()) != {1}:
        sys.exit("expected exactly one success a night and partition")


def rehearse(work: Rehearsal, port: int) -> None:
    """The first build and promotion by hand, then one night after the other."""
    first = work.first_night
    rows = work.reveal(0, first - 1, f"{work.contract}_history.parquet")
    (work.home / "raw" / work.contract / "source.toml").write_text(
        DECLARATION.format(contract=work.contract), encoding="utf-8"
    )
    (work.home / "factory.toml").write_text(
        f'[operation]\ncontracts = ["{work.contract}"]\nhorizons = {work.horizons}\n', encoding="utf-8"
    )
    say(f"{rows} minutes of history until {day_text(work.sessions.trade_day[first - 1])}")
    work.set_clock(work.closed_at(first - 1) + AFTER_CLOSE)
    text = ",".join(map(str, work.horizons))
    work.factory("run", "--contract", work.contract, "--horizon", text, "--profile", "fast")
    for horizon in work.horizons:
        work.factory("promote", "--contract", work.contract, "--horizon", str(horizon), "--reason", "rehearsal")
    log = (work.home / "dev.log").open("w", encoding="utf-8")
    command = [str(BIN / "factory"), "ui", "--port", str(port)]
    daemon = subprocess.Popen(command, env=work.environment, stdout=log, stderr=log, start_new_session=True)
    say(f"daemon and web UI started: http://127.0.0.1:{port}")
    known = {record.dagster_run.run_id for record in work.runs()}
    try:
        time.sleep(30)
        for place in range(first, len(work.sessions.trade_day)):
            days_apart = int(work.sessions.trade_day[place] - work.sessions.trade_day[place - 1])
            for idle in range(1, days_apart):
                work.set_clock(work.closed_at(place - 1) + timedelta(days=idle) + AFTER_CLOSE)
                say(f"day without a session: {work.clock_file.read_text()}")
                work.wait_for_quiet()
                known |= work.tell_new(known)
            rows = work.reveal(place, place, f"{work.contract}_{day_text(work.sessions.trade_day[place])}.parquet")
            work.set_clock(work.closed_at(place) + AFTER_CLOSE)
            night = day_text(work.sessions.trade_day[place])
            say(f"night of {night}: {rows} new minutes")
            work.wait_for_quiet(night)
            known |= work.tell_new(known)
        judge(work, [day_text(day) for day in work.sessions.trade_day[first:]])
        say("leave the UI with Ctrl-C")
        if sys.stdin.isatty():
            daemon.wait()
    finally:
        os.killpg(daemon.pid, signal.SIGTERM)
        time.sleep(15)
        with contextlib.suppress(ProcessLookupError):  # the development server outlives a polite request
            os.killpg(daemon.pid, signal.SIGKILL)


def main() -> None:
    """Read the arguments and rehearse."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="an empty folder that becomes FACTORY_HOME")
    parser.add_argument("--contract", default="MGC")
    parser.add_argument("--raw", type=Path, required=True, help="folder with the vendor's files")
    parser.add_argument("--horizons", default="20")
    parser.add_argument("--nights", type=int, default=5)
    parser.add_argument("--port", type=int, default=3030)
    chosen = parser.parse_args()
    chosen.home.mkdir(parents=True, exist_ok=True)
    horizons = [int(text) for text in chosen.horizons.split(",")]
    rehearse(Rehearsal(chosen.home.resolve(), chosen.contract, horizons, chosen.raw, chosen.nights), chosen.port)


if __name__ == "__main__":
    main()
