"""The ``factory`` command: a front door over the same assets, instance and store the web UI uses.

Bad input gets one message that says what to do, exit code 2, and changes nothing; a failed run exits with 1. Answers
go to standard output (``--json`` where a list is printed), progress and messages to standard error.
"""

import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from factory_assets.vocabulary.errors import BadInputError, FactoryError, TooLittleHistoryError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.settings import PROFILES

app = typer.Typer(
    help="An ML factory for systematic futures trading.", no_args_is_help=True, pretty_exceptions_enable=False
)
study_app = typer.Typer(help="Frozen cut dates of a contract.", no_args_is_help=True)
app.add_typer(study_app, name="study")

out = Console()
err = Console(stderr=True)

Contract = Annotated[str, typer.Option("--contract", help="Futures product, e.g. MGC.")]
Horizon = Annotated[int, typer.Option("--horizon", help="Horizon in base bars.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Profile = Annotated[str, typer.Option("--profile", help=f"Budget: {', '.join(PROFILES)}.")]

DEMO_SESSIONS = 130
DEMO_SEED = 7
DEMO_HORIZON = 20
HEADLINE_METRICS = ("log_loss", "direction_skill", "net_pnl_dollars", "sharpe_annual", "trades")
_TABLE_DIGITS = 5


@app.command()
def demo() -> None:
    """Run the whole factory on the planted SIMULATED world and say where everything is."""
    from factory_assets.market.readers.declaration import DECLARATION_FILE
    from factory_assets.market.synthetic import write_world

    home = _ready_home("fast")
    folder = home.raw / "SIM"
    # The declaration is written last: without it an earlier demo was interrupted half-way.
    if not (folder / DECLARATION_FILE).is_file():
        write_world(folder, world="planted", seed=DEMO_SEED, sessions_count=DEMO_SESSIONS)
    _run("SIM", [DEMO_HORIZON], until=None, profile="fast")
    _where(home, PartitionKey("SIM", DEMO_HORIZON))


@app.command()
def ingest(
    contract: Contract,
    raw: Annotated[Path, typer.Option("--raw", help="Folder with the vendor's files.")],
    detect: Annotated[bool, typer.Option("--detect", help="Only write a declaration to confirm.")] = False,
    file: Annotated[Path | None, typer.Option("--out", help="File --detect writes, instead of source.toml.")] = None,
    declaration: Annotated[
        Path | None, typer.Option("--declaration", help="File that declares a folder without source.toml.")
    ] = None,
) -> None:
    """Read a folder of vendor files, keep a copy in FACTORY_HOME/raw, and make canonical bars."""
    home = FactoryHome.from_environment()
    if detect:
        if declaration is not None:
            raise BadInputError("--detect proposes a declaration and reads none: leave out --declaration.")
        _propose_declaration(raw, contract, file)
        return
    if file is not None:
        raise BadInputError("--out names the file that --detect writes: add --detect, or leave it out.")
    from factory_assets.orchestration.known_files import is_known, note_if_current

    if is_known(raw, contract, home, profile="fast", declaration=declaration):
        _say(f"{contract}: nothing new in {raw}: the bars are of exactly these files, by this code and these settings")
        return
    from factory_assets.orchestration.declared_folder import accept_declared
    from factory_assets.orchestration.raw_folder import accept_raw

    _ready_home("fast")
    if declaration is None:
        read, copied = accept_raw(raw, contract, home)
    else:
        read, copied = accept_declared(raw, declaration, contract, home)
    counted = ", ".join(f"{name} {count}" for name, count in read.counts.items())
    _say(f"{contract}: {len(read.minutes)} minutes read ({counted}); {copied} new files kept in {home.raw / contract}")
    _run(contract, [], until="bars", profile="fast")
    note_if_current(contract, home, profile="fast")


def _propose_declaration(raw: Path, contract: str, file: Path | None) -> None:
    """Write the declaration to confirm, and say what is left to do."""
    from factory_assets.orchestration.declared_folder import write_proposal

    proposal, written = write_proposal(_folder(raw), contract, file)
    _say("\n".join(proposal.evidence))
    out.print(proposal.text, markup=False, highlight=False, soft_wrap=True)
    if written is None:
        _say("These files prove all of it: factory ingest reads them without a declaration.")
    else:
        _say(f"Written to {written}. Check and complete it, set confirmed = true, then run factory ingest.")


@study_app.command("new")
def study_new(contract: Contract, profile: Profile = "fast") -> None:
    """Open the contract's study: cut dates are frozen from here on."""
    _run(contract, [], until="study", profile=profile)
    _print_study(contract)


@study_app.command("show")
def study_show(contract: Contract) -> None:
    """Print the contract's frozen cut dates."""
    _print_study(contract)


@app.command()
def run(
    contract: Contract,
    horizon: Annotated[str, typer.Option("--horizon", help="One or more horizons: 20 or 5,10,15,20.")] = "20",
    until: Annotated[str | None, typer.Option("--until", help="Last phase to run.")] = None,
    profile: Profile = "fast",
) -> None:
    """Run a contract once, then its horizons in ascending order; never the test period.

    A contract with too few sessions for a study stops after labels, says how many it lacks, and exits with 2.
    """
    horizons = _horizons(contract, horizon)
    _run(contract, horizons, until=until, profile=profile)
    if until is None:
        for each in horizons:
            _where(FactoryHome.from_environment(), PartitionKey(contract, each))


@app.command()
def status(
    assets: Annotated[bool, typer.Option("--assets", help="One row an asset instead of one a partition.")] = False,
    profile: Annotated[
        str | None, typer.Option("--profile", help="Budget the outputs are held against; FACTORY_PROFILE by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say of every partition what is fresh, stale (and why), blocked and missing, and which release is champion."""
    home = FactoryHome.from_environment()
    if assets:
        from factory_assets.orchestration.inspect_store import partition_rows

        _print_rows(partition_rows(home), as_json, "Partitions")
        return
    from factory_assets.orchestration.partition_status import reason_lines, short_rows, status_rows

    rows = status_rows(home, profile=profile)
    if as_json or not rows:
        _print_rows(rows, as_json, "Partitions")
        return
    _print_status(short_rows(rows))
    for line in reason_lines(rows):
        out.print(line, markup=False, highlight=False)


@app.command()
def validate(as_json: AsJson = False) -> None:
    """Read every stored byte again, list every recorded invariant, and remove what interrupted writers left."""
    from factory_assets.orchestration.inspect_store import sweep_orphans, validation_rows

    home = FactoryHome.from_environment()
    swept = sweep_orphans(home)
    rows = validation_rows(home)
    if swept:
        _say(swept)
    _print_rows(rows, as_json, "Validation")
    if any(row["verdict"] != "ok" for row in rows):
        raise typer.Exit(1)


@app.command()
def models(as_json: AsJson = False) -> None:
    """List the registered models."""
    from factory_assets.models import registry
    from factory_assets.orchestration.inspect_store import describe

    rows = [describe(registry.entry(name)) for name in registry.names()]
    _print_rows(rows, as_json, "Models")


@app.command()
def features(
    group: Annotated[str | None, typer.Option("--group", help="One group of the catalogue, e.g. volatility.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the feature catalogue: formula, look-back, unit, scaling and reference; --json has every field."""
    from factory_assets.features.description import catalogue_rows

    rows = catalogue_rows(group)
    if as_json:
        _print_rows(rows, as_json, "")
    else:
        _print_features(rows)


@app.command()
def promote(
    contract: Contract,
    horizon: Horizon,
    release: Annotated[
        str | None, typer.Option("--release", help="Digest to promote; by default the partition's newest bundle.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the registry for ever.")] = "",
) -> None:
    """Make a release the champion: the night refits its recipe. Promote an earlier digest to go back."""
    import getpass

    from factory_assets.orchestration.promote import promote as promoting

    key = PartitionKey(contract, horizon)
    done = promoting(key, reason=reason, by=getpass.getuser(), home=_ready_home("fast"), digest=release)
    if done.before is None:
        was = "there was none before"
    elif done.before == done.champion:
        was = "it was champion already; nothing was changed"
    else:
        was = f"before it: {done.before.digest}, since {done.before.at} ({done.before.reason})"
    out.print(f"{key} champion {done.champion.digest}", highlight=False, soft_wrap=True)
    out.print(was, highlight=False, soft_wrap=True, markup=False)


@app.command()
def evaluate(
    contract: Contract,
    horizon: Horizon,
    open_test: Annotated[
        bool, typer.Option("--open-test", help="Open the sealed test period; it is recorded.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why the test period is opened.")] = "",
    as_json: AsJson = False,
) -> None:
    """Print the evaluation table; with --open-test, open the sealed period once more and write its page."""
    key = PartitionKey(contract, horizon)
    if reason and not open_test:
        raise BadInputError("--reason belongs to --open-test: give both to open the sealed test period, or neither.")
    if open_test:
        from factory_assets.orchestration.build import build_definitions
        from factory_assets.orchestration.open_test import open_test as opening

        if not reason.strip():
            raise BadInputError(
                '--open-test needs --reason "…": every opening of the test period is recorded for ever.'
            )
        home = _ready_home("fast")
        with _progress() as announce:
            outcome = opening(build_definitions(), key, reason=reason, home=home, on_step=announce(key, 2))
        page = _finish([outcome], give_page=True)
        _say(f"Test report: {page}")
        return
    from factory_assets.orchestration.inspect_store import table_rows

    rows = table_rows(FactoryHome.from_environment(), "evaluation", key)
    if as_json:
        _print_rows(rows, as_json, "")
    else:
        _print_evaluation(rows, key)


@app.command()
def predict(
    bundle: Annotated[Path, typer.Option("--bundle", help="Folder of a release bundle.")],
    bars: Annotated[Path, typer.Option("--bars", help="Parquet or CSV with traded minutes (open_time, expiry, …).")],
    digest: Annotated[str | None, typer.Option("--digest", help="Expected digest of the bundle.")] = None,
    as_json: AsJson = False,
) -> None:
    """Replay minutes through a release bundle and print its predictions."""
    from factory_assets.deployment.replay import replay_file

    _print_rows(replay_file(bundle, bars, expected_digest=digest, tell=_say), as_json, "Predictions")


@app.command()
def compare(
    contract: Contract,
    raw: Annotated[list[Path], typer.Option("--raw", help="Folder of one vendor; give it twice: A, then B.")],
    declaration_a: Annotated[
        Path | None, typer.Option("--declaration-a", help="File that declares A, if A has no source.toml.")
    ] = None,
    declaration_b: Annotated[
        Path | None, typer.Option("--declaration-b", help="File that declares B, if B has no source.toml.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two vendors of one contract minute by minute: clock, coverage, prices and volume."""
    from factory_assets.orchestration.kept_comparison import compare_folders

    if len(raw) != 2:
        raise BadInputError(f"compare takes --raw twice, once a vendor; it was given {len(raw)} times.")
    home = _ready_home("fast")
    compared, page = compare_folders(contract, (raw[0], raw[1]), (declaration_a, declaration_b), home)
    if as_json:
        sys.stdout.write(compared.to_json())
        return
    sides = [{"": name, **{side: said[name] for side, said in compared.sides.items()}} for name in compared.sides["A"]]
    _print_rows(sides, as_json, f"{contract}: A and B")
    _print_rows([{"": name, "minutes": count} for name, count in compared.minutes.items()], as_json, "Shared span")
    _print_rows(compared.differences.round(4).to_dict("records"), as_json, "Prices, B - A")
    for each in compared.findings:
        out.print(f"{'! ' if each.grave else '  '}{each.text}", markup=False, highlight=False, soft_wrap=True)
    out.print(f"page    {page}", highlight=False, soft_wrap=True)


@app.command()
def report(
    contract: Contract,
    horizon: Annotated[
        int | None, typer.Option("--horizon", help="Horizon in base bars; without one, the contract's own pages.")
    ] = None,
) -> None:
    """Print where the partition's report is; of a contract alone, where its quality and feature pages are."""
    home = FactoryHome.from_environment()
    if horizon is None:
        _where_contract_pages(home, PartitionKey(contract))
    else:
        _where(home, PartitionKey(contract, horizon))


@app.command()
def sql(query: str, as_json: AsJson = False) -> None:
    """Run exactly one SELECT over verified files; nothing else is reachable."""
    from factory_assets.orchestration.inspect_store import select_rows

    _print_rows(select_rows(FactoryHome.from_environment(), query), as_json, "")


@app.command()
def ui(port: Annotated[int, typer.Option("--port", help="Port on loopback.")] = 3000) -> None:
    """Open the web UI on loopback, with the runs of FACTORY_HOME in it; the daemon too, unless one is at work."""
    home = FactoryHome.from_environment()
    from factory_assets.orchestration.instance import prepare_instance
    from factory_assets.orchestration.operation.one_daemon import become_daemon, daemon_process

    prepare_instance(home)
    place = ["-m", "factory_assets.definitions", "-h", "127.0.0.1", "-p", str(port)]
    if become_daemon(home):
        command = [_beside_python("dagster"), "dev", *place]
    else:
        _say(f"process {daemon_process(home)} is the daemon of {home.root}: here the web UI alone is started")
        command = [_beside_python("dagster-webserver"), *place]
    _say(f"http://127.0.0.1:{port}  (Ctrl-C ends it)")
    os.execv(command[0], command)  # noqa: S606 - the command is fixed and replaces this process


@app.command()
def daemon() -> None:
    """Work at night without the web UI: the daemon alone, for a supervisor to keep running."""
    home = _ready_home("fast")
    from factory_assets.orchestration.instance import prepare_instance
    from factory_assets.orchestration.operation.one_daemon import become_daemon, daemon_process

    if not become_daemon(home):
        raise BadInputError(
            f"{home.root} has a daemon: process {daemon_process(home)}, of factory daemon or factory ui. One is "
            "enough, and two would do the same work twice; end that one first."
        )
    prepare_instance(home)
    _say(f"daemon of {home.root}; failures go to {home.root / 'alerts.jsonl'}  (Ctrl-C ends it)")
    command = [_beside_python("dagster-daemon"), "run", "-m", "factory_assets.definitions"]
    os.execv(command[0], command)  # noqa: S606 - as above


def _beside_python(program: str) -> str:
    """A program of the environment this one runs in."""
    return str(Path(sys.executable).with_name(program))


def main() -> None:
    """Entry point: errors of the factory become one message and an exit code."""
    try:
        app()
    except FactoryError as problem:
        _say(f"factory: {problem}", style="red")
        sys.exit(problem.exit_code)


def _say(text: str, *, style: str | None = None) -> None:
    """A message on standard error, as it is: wrapped lines break paths and the TOML that a message offers."""
    err.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def _horizons(contract: str, text: str) -> list[int]:
    """Horizons of ``--horizon 5,10``, each once, in the order given."""
    parts = [part.strip() for part in text.split(",")]
    wrong = [part for part in parts if not (part.isascii() and part.isdigit())]
    if wrong:
        raise BadInputError(
            f"--horizon {text!r}: expected one horizon in base bars, or several with commas between them, e.g. 20 or "
            f"5,10,15,20; found {wrong}."
        )
    return list(dict.fromkeys(PartitionKey(contract, int(part)).horizon or 0 for part in parts))


def _run(contract: str, horizons: list[int], *, until: str | None, profile: str) -> None:
    PartitionKey(contract)
    home = _ready_home(profile)
    from factory_assets.orchestration.build import build_definitions
    from factory_assets.orchestration.run_contract import run_contract

    with _progress() as announce:
        outcomes = run_contract(
            build_definitions(), contract, horizons, home=home, profile=profile, until=until, announce=announce
        )
    _finish(outcomes)


def _ready_home(profile: str) -> FactoryHome:
    """The home, after everything that can be wrong with it was looked at and before anything is changed."""
    from factory_assets.orchestration.instance import instance_folder
    from factory_assets.orchestration.resources import settings_in_force

    home = FactoryHome.from_environment()
    if home.root.exists() and not home.root.is_dir():
        raise BadInputError(f"FACTORY_HOME={home.root} is a file; name a folder, or one that may be made.")
    there = next(path for path in (home.root, *home.root.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise BadInputError(f"FACTORY_HOME={home.root}: {there} is no folder that may be written to; name another.")
    instance_folder(home)
    settings_in_force(profile, home.settings_file)
    return home


def _finish(outcomes: list[Any], *, give_page: bool = False) -> Path | None:
    from factory_assets.orchestration.pages import page_path

    failures = [(each.key, failure) for each in outcomes for failure in each.outcome.failures]
    for key, failure in failures:
        _say(f"factory: {key}, step {failure.step}: {failure.message}", style="red")
    if failures:
        codes = {failure.exit_code for _, failure in failures}
        sys.exit(2 if codes == {2} and len(outcomes) == 1 else 1)
    return page_path(FactoryHome.from_environment(), outcomes[-1].key, "test") if give_page else None


@contextmanager
def _progress() -> Iterator[Callable[[PartitionKey, int], Callable[[str, str], None]]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err) as bars:

        def announce(key: PartitionKey, steps: int) -> Callable[[str, str], None]:
            task = bars.add_task(str(key), total=steps)

            def on_step(step: str, state: str) -> None:
                if state == "started":
                    bars.update(task, description=f"{key} {step}")
                else:
                    bars.advance(task)
                    bars.update(task, description=f"{key} {step} {state}")

            return on_step

        yield announce


def _where(home: FactoryHome, key: PartitionKey) -> None:
    from factory_assets.orchestration.inspect_store import bundle_folder
    from factory_assets.orchestration.pages import page_path

    page = page_path(home, key, "report")
    if not page.exists():
        raise BadInputError(
            f"{key} has no report yet; run: factory run --contract {key.contract} --horizon {key.horizon}"
        )
    folder = bundle_folder(home, key)
    out.print(f"report  {page}", highlight=False, soft_wrap=True)
    out.print(f"bundle  {folder}", highlight=False, soft_wrap=True)
    for kind in ("quality", "features"):
        if (beside := page_path(home, key.of_contract, kind)).exists():
            out.print(f"{kind:7} {beside}", highlight=False, soft_wrap=True)
    out.print("ui      make ui  (http://127.0.0.1:3000)", highlight=False, soft_wrap=True)


def _where_contract_pages(home: FactoryHome, key: PartitionKey) -> None:
    from factory_assets.orchestration.pages import page_path

    quality, pictured = (page_path(home, key, kind) for kind in ("quality", "features"))
    if not quality.exists():
        raise BadInputError(f"{key} has no quality page yet; run: factory run --contract {key.contract} --until bars")
    out.print(f"quality  {quality}", highlight=False, soft_wrap=True)
    if pictured.exists():
        out.print(f"features {pictured}", highlight=False, soft_wrap=True)
    else:
        _say(f"{key} has no feature page yet; run: factory run --contract {key.contract} --until features")


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise BadInputError(f"--raw {path}: expected a folder of vendor files.")
    return path


def _print_study(contract: str) -> None:
    from factory_assets.splits.study import Study
    from factory_assets.storage import StudyFiles

    files = StudyFiles(FactoryHome.from_environment().studies)
    text = files.read(contract)
    if text is None:
        from factory_assets.orchestration.study_artifact import published_short_history

        short = published_short_history(FactoryHome.from_environment(), contract)
        if short is not None:
            raise TooLittleHistoryError(short.message)
        raise BadInputError(f"{contract} has no study yet; open one with: factory study new --contract {contract}")
    try:
        Study.from_json(text)
    except BadInputError as problem:
        raise BadInputError(f"{files.path(contract)}: {problem}") from problem
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def _print_rows(rows: list[dict[str, Any]], as_json: bool, title: str) -> None:
    if as_json:
        sys.stdout.write(json.dumps(_plain(rows), default=str, indent=1, allow_nan=False) + "\n")
        return
    if not rows:
        out.print("no rows")
        return
    table = Table(title=title or None)
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        # Text, not markup: a value such as "['labels']" is no style.
        table.add_row(*(Text(_cell(value)) for value in row.values()))
    out.print(table)


def _print_features(rows: list[dict[str, Any]]) -> None:
    """A line a feature; under those that one formula gives, the formula and its reference, once."""
    fields = ("name", "group", "unit", "scaling", "look_back")
    widths = [max(len(row[field]) for row in rows) for field in fields]

    def line(cells: Iterable[str]) -> str:
        return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()

    out.print(line(field.replace("_", "-") for field in fields), style="bold", highlight=False, soft_wrap=True)
    for (formula, reference), members in groupby(rows, key=lambda row: (row["formula"], row["reference"])):
        for row in members:
            out.print(line(row[field] for field in fields), markup=False, highlight=False, soft_wrap=True)
        out.print(Padding(Text(formula), (0, 0, 0, 4)))
        out.print(Padding(Text(reference, style="dim"), (0, 0, 1, 4)))
    out.print(f"{len(rows)} features; --json has every field, FEATURES.md the whole page.", highlight=False)


def _print_status(rows: list[dict[str, Any]]) -> None:
    """One row a partition in less than 100 columns: counts to the right, digests and moments on two lines."""
    table = Table(title="Partitions", box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    for name, value in rows[0].items():
        table.add_column(name, no_wrap=True, justify="right" if value is None or isinstance(value, int) else "left")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row.values()))
    out.print(table)


def _print_evaluation(rows: list[dict[str, Any]], key: PartitionKey) -> None:
    """Models by headline metrics, one table a period, narrow enough for 80 columns."""
    for period in dict.fromkeys(row["period"] for row in rows):
        found = {(row["model"], row["metric"]): row["value"] for row in rows if row["period"] == period}
        table = Table(title=f"Evaluation {key}, {period}", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1))
        table.add_column("model", no_wrap=True)
        for metric in HEADLINE_METRICS:
            table.add_column(metric.replace("_", " "), justify="right", overflow="fold")
        for model in dict.fromkeys(model for model, _ in found):
            values = (found.get((model, metric)) for metric in HEADLINE_METRICS)
            table.add_row(Text(model), *(Text(_rounded(value)) for value in values))
        out.print(table)
    out.print("Rounded; --json has every metric, exact, with its interval.", highlight=False, soft_wrap=True)


def _rounded(value: float | None) -> str:
    """Five significant digits, all digits of a larger whole part, no exponent; empty for what is not known."""
    if value is None or not math.isfinite(value):
        return ""
    digits = _TABLE_DIGITS - 1 - (math.floor(math.log10(abs(value))) if value else 0)
    return (
        f"{round(value, digits):.{min(max(digits, 0), 8)}f}".rstrip("0").rstrip(".") if digits > 0 else f"{value:.0f}"
    )


def _cell(value: Any) -> str:
    """A value in a table for people: nothing for none, mappings as ``name=value``, else as it is."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_cell(item)}" for name, item in value.items())
    return str(value)


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
