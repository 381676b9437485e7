"""The ledger: every way of changing it is refused and named."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta

import pytest

from factory_assets.evaluation import ledger
from factory_assets.evaluation.ledger import LedgerEntry
from factory_assets.splits.study import Study
from factory_assets.vocabulary.errors import SealedPeriodError
from factory_assets.vocabulary.hash_chain import sealed, to_line

SPEC, METRICS = "a" * 64, "b" * 64


def _clock():
    return datetime(2025, 3, 1, 12, 30, tzinfo=UTC)


def _study(**changes):
    fields = {
        "contract": "SIM",
        "opened_at": _clock(),
        "train_first_day": 19_000,
        "train_last_day": 19_040,
        "val_first_day": 19_041,
        "val_last_day": 19_050,
        "test_first_day": 19_051,
        "test_last_day": 19_060,
        "train_sessions": 30,
        "val_sessions": 8,
        "test_sessions": 8,
    }
    return Study(**{**fields, **changes})


KINDS = [("opening", 20), ("result", 20), ("fit", 20), ("opening", 5), ("opening", 20), ("result", 20)]


@pytest.fixture
def entries():
    """Genesis, then fits and openings at two horizons; the one at 5 never came to a result."""
    chain = [ledger.genesis(_study(), _clock)]
    for number, (kind, horizon) in enumerate(KINDS):
        chain.append(
            ledger.append(
                chain,
                ledger.head_of(chain),
                kind=kind,
                horizon=horizon,
                reason=f"reason {number}",
                spec_hash=chain[-1].hash if kind == "result" else SPEC,
                metric_digest=METRICS if kind == "result" else "",
                clock=lambda number=number: _clock() + timedelta(hours=number),
            )
        )
    return chain


def test_intact_ledger_is_accepted_and_counted(entries):
    head = ledger.head_of(entries)
    ledger.verify(entries, head, _study())
    assert ledger.read_ledger([to_line(entry) + "\n" for entry in entries], head) == tuple(entries)
    assert head.count == 7
    counted = [ledger.openings(entries, horizon) for horizon in (None, 20, 5, 15)]
    assert counted == [3, 2, 1, 0], "an opening without result counts, a result is no opening"
    assert [entry.seq for entry in entries] == list(range(7))
    assert ledger.LedgerHead.from_json(head.to_json()) == head


def test_an_opening_may_be_worked_under_until_its_result(entries):
    assert ledger.opening_in_progress(entries, entries[4].hash, 5) == entries[4]
    assert ledger.opening_in_progress(entries[:2], entries[1].hash, 20) == entries[1]
    assert ledger.result_of(entries, entries[1].hash) == entries[2]
    assert ledger.result_of(entries, entries[4].hash) is None
    for place, horizon, message in (
        (4, 20, "no opening of horizon 20"),
        (0, 20, "no opening of horizon 20"),
        (3, 20, "no opening of horizon 20"),
        (1, 20, "line 2: this opening was completed by line 3"),
    ):
        with pytest.raises(SealedPeriodError, match=message):
            ledger.opening_in_progress(entries, entries[place].hash, horizon)


def test_a_result_completes_one_earlier_opening_once(entries):
    head = ledger.head_of(entries)
    right = {
        "kind": "result", "horizon": 5, "reason": "why", "spec_hash": entries[4].hash, "metric_digest": METRICS,
        "clock": _clock,
    }  # fmt: skip
    assert ledger.append(entries, head, **right).spec_hash == entries[4].hash
    for changes, message in (
        ({"spec_hash": entries[1].hash, "horizon": 20}, "completed by line 3"),
        ({"horizon": 20}, "no opening of horizon 20"),
        ({"spec_hash": SPEC}, "without an opening"),
        ({"metric_digest": ""}, "the sha256 of the opening's numbers"),
    ):
        with pytest.raises(SealedPeriodError, match=message):
            ledger.append(entries, head, **{**right, **changes})
    forged = sealed(LedgerEntry, **{**_without_hash(entries[2]), "seq": 7, "previous_hash": entries[-1].hash})
    _refused([*entries, forged], ledger.head_of([*entries, forged]), 8, "completed by line 3")


@pytest.mark.parametrize("count", range(1, 7))
def test_the_head_moves_over_exactly_one_line_that_follows_it(entries, count):
    lines = [to_line(entry) for entry in entries]
    head = ledger.head_of(entries[:count])
    assert ledger.rolled_forward(lines[:count], head) == head
    assert ledger.rolled_forward(lines[: count + 1], head) == ledger.head_of(entries[: count + 1])
    assert ledger.rolled_forward(lines[: count - 1], head) == head
    assert ledger.rolled_forward(lines[: count + 2], head) == head or count == 6
    other = ledger.LedgerHead(count=count, last_hash=SPEC)
    assert ledger.rolled_forward(lines[: count + 1], other) == other
    stranger = sealed(LedgerEntry, **{**_without_hash(entries[count]), "previous_hash": SPEC})
    assert ledger.rolled_forward([*lines[:count], to_line(stranger)], head) == head


def test_hash_is_what_the_docstring_says(entries):
    import hashlib

    plain = json.loads(to_line(entries[2]))
    claimed = plain.pop("hash")
    assert claimed == hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
    assert plain["previous_hash"] == entries[1].hash


def _refused(entries, head, line, what):
    with pytest.raises(SealedPeriodError, match=rf"ledger line {line}: .*{what}"):
        ledger.verify(entries, head)


@pytest.mark.parametrize("place", range(7))
@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(ledger.LedgerEntry)])
def test_every_edit_of_every_field_is_refused(entries, place, field):
    head = ledger.head_of(entries)
    old = getattr(entries[place], field)
    changed = 10 if field == "horizon" else old + 1 if field == "seq" else f"{old}x"
    entries[place] = dataclasses.replace(entries[place], **{field: changed})
    with pytest.raises(
        SealedPeriodError, match=rf"ledger line {place + 1 if field != 'contract' or place else 1}: .*expected"
    ):
        ledger.verify(entries, head)


def test_an_edit_with_its_hash_mended_breaks_the_next_line(entries):
    head = ledger.head_of(entries)
    entries[1] = sealed(LedgerEntry, **{**_without_hash(entries[1]), "reason": "nothing to see"})
    _refused(entries, head, 3, "previous_hash")


def _without_hash(entry):
    plain = dataclasses.asdict(entry)
    del plain["hash"]
    return plain


def _rechained(entries):
    """A forger who mends every hash."""
    chain = []
    for seq, entry in enumerate(entries):
        previous = chain[-1].hash if chain else "0" * 64
        chain.append(sealed(LedgerEntry, **{**_without_hash(entry), "seq": seq, "previous_hash": previous}))
    return chain


@pytest.mark.parametrize("place", [1, 3, 4, 5, 6])
def test_deletion_is_refused_even_with_every_hash_mended(entries, place):
    head = ledger.head_of(entries)
    shorter = entries[:place] + entries[place + 1 :]
    with pytest.raises(SealedPeriodError, match="ledger line"):
        ledger.verify(shorter, head)
    # A result names its opening by hash, so mending the chain loses it; the head would have told all the same.
    told = "a result without an opening|head counts 7 entries, the ledger has 6"
    with pytest.raises(SealedPeriodError, match=told):
        ledger.verify(_rechained(shorter), head)


def test_truncation_reorder_duplicate_and_replacement_are_refused(entries):
    head = ledger.head_of(entries)
    _refused(entries[:-1], head, 7, "head counts 7 entries, the ledger has 6")
    _refused(entries[:1], head, 2, "has 1")
    with pytest.raises(SealedPeriodError, match="no entries, expected 7"):
        ledger.verify([], head)
    _refused([entries[0], entries[2], entries[1], *entries[3:]], head, 2, "seq is 2, expected 1")
    _refused([*entries, entries[-1]], head, 8, "seq is 6, expected 7")
    openings = [entry for entry in entries if entry.kind != "result"]
    longer = _rechained([*openings, openings[-1]])
    _refused(longer, ledger.head_of(_rechained(openings)), 6, "head counts 5 entries, the ledger has 6")
    swapped = _rechained([openings[0], openings[2], openings[1], *openings[3:]])
    _refused(swapped, ledger.head_of(_rechained(openings)), 5, "the head expected")
    quiet = _rechained(
        [
            dataclasses.replace(entry, kind="fit", spec_hash=SPEC, metric_digest="") if entry.seq else entry
            for entry in entries
        ]
    )
    assert ledger.openings(quiet) == 0
    _refused(quiet, head, 7, "the head expected")


def test_a_ledger_of_another_study_is_refused(entries):
    with pytest.raises(SealedPeriodError, match="line 1: opened for study SIM"):
        ledger.verify(entries, ledger.head_of(entries), _study(test_last_day=19_061))


def test_entries_no_ledger_may_hold_are_refused(entries):
    head = ledger.head_of(entries)
    right = {"kind": "opening", "horizon": 20, "reason": "why", "spec_hash": SPEC, "clock": _clock}
    for changes, message in (
        ({"kind": "peek"}, "kind 'peek'"),
        ({"horizon": 7}, "horizon 7"),
        ({"reason": "  "}, "no reason"),
        ({"spec_hash": "abc"}, "spec_hash 'abc'"),
        ({"kind": "result", "metric_digest": "abc"}, "metric_digest 'abc'"),
        ({"kind": "fit", "metric_digest": METRICS}, "kind fit; only a result has one"),
        ({"metric_digest": METRICS}, "kind opening; only a result has one"),
        ({"clock": lambda: datetime(2025, 1, 1)}, "with its zone"),  # noqa: DTZ001
    ):
        with pytest.raises(SealedPeriodError, match=message):
            ledger.append(entries, head, **{**right, **changes})
    with pytest.raises(SealedPeriodError, match="ledger line 7"):
        ledger.append(entries[:-1], head, **right)
    second = sealed(
        LedgerEntry, **{**_without_hash(ledger.genesis(_study(), _clock)), "seq": 7, "previous_hash": entries[-1].hash}
    )
    _refused([*entries, second], head, 8, "only line 1 is genesis")


def test_lines_are_read_strictly(entries):
    line = to_line(entries[1])
    plain = json.loads(line)
    for wrong, message in (
        (line[:-5], "not JSON"),
        (line.replace(", ", ","), "spelling"),
        (line.replace('"at"', '"at": "2025", "at"'), "spelling"),
        (json.dumps({**plain, "note": 1}, sort_keys=True), "with the keys"),
        (json.dumps({k: v for k, v in plain.items() if k != "reason"}, sort_keys=True), "with the keys"),
        (json.dumps({**plain, "seq": True}, sort_keys=True), "counts"),
        (json.dumps({**plain, "reason": 5}, sort_keys=True), r"\['reason'\] have to be text"),
        ("[]", "with the keys"),
    ):
        with pytest.raises(SealedPeriodError, match=message):
            ledger.from_line(wrong)
    lines = [to_line(entry) for entry in entries]
    with pytest.raises(SealedPeriodError, match="line 3: ledger line: not JSON"):
        ledger.read_ledger([*lines[:2], "", *lines[2:]], ledger.head_of(entries))
    for wrong in ('{"count": 0, "last_hash": "' + SPEC + '"}', '{"count": 2}', "x", '{"count": 2, "last_hash": "abc"}'):
        with pytest.raises(SealedPeriodError, match="ledger head"):
            ledger.LedgerHead.from_json(wrong)
