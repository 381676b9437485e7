"""The ledger: every way of changing it is refused and named."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta

import pytest

from factory_assets.evaluation import ledger
from factory_assets.splits.study import Study
from factory_assets.vocabulary.errors import SealedPeriodError

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


@pytest.fixture
def entries():
    """Genesis, then openings and fits at several horizons."""
    chain = [ledger.genesis(_study(), _clock)]
    for number, (kind, horizon) in enumerate([("opening", 20), ("fit", 20), ("opening", 5), ("opening", 20)]):
        chain.append(
            ledger.append(
                chain,
                ledger.head_of(chain),
                kind=kind,
                horizon=horizon,
                reason=f"reason {number}",
                spec_hash=SPEC,
                metric_digest=METRICS if kind == "opening" else "",
                clock=lambda number=number: _clock() + timedelta(hours=number),
            )
        )
    return chain


def test_intact_ledger_is_accepted_and_counted(entries):
    head = ledger.head_of(entries)
    ledger.verify(entries, head, _study())
    assert ledger.read_ledger([ledger.to_line(entry) + "\n" for entry in entries], head) == tuple(entries)
    assert (head.count, ledger.openings(entries), ledger.openings(entries, 20), ledger.openings(entries, 15)) == (
        5,
        3,
        2,
        0,
    )
    assert [entry.seq for entry in entries] == [0, 1, 2, 3, 4]
    assert ledger.LedgerHead.from_json(head.to_json()) == head


def test_hash_is_what_the_docstring_says(entries):
    import hashlib

    plain = json.loads(ledger.to_line(entries[2]))
    claimed = plain.pop("hash")
    assert claimed == hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
    assert plain["previous_hash"] == entries[1].hash


def _refused(entries, head, line, what):
    with pytest.raises(SealedPeriodError, match=rf"ledger line {line}: .*{what}"):
        ledger.verify(entries, head)


@pytest.mark.parametrize("place", range(5))
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
    entries[1] = ledger._sealed(**{**_without_hash(entries[1]), "reason": "nothing to see"})
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
        chain.append(ledger._sealed(**{**_without_hash(entry), "seq": seq, "previous_hash": previous}))
    return chain


@pytest.mark.parametrize("place", range(1, 5))
def test_deletion_is_refused_even_with_every_hash_mended(entries, place):
    head = ledger.head_of(entries)
    shorter = entries[:place] + entries[place + 1 :]
    with pytest.raises(SealedPeriodError, match="ledger line"):
        ledger.verify(shorter, head)
    _refused(_rechained(shorter), head, 5, "head counts 5 entries, the ledger has 4")


def test_truncation_reorder_duplicate_and_replacement_are_refused(entries):
    head = ledger.head_of(entries)
    _refused(entries[:-1], head, 5, "head counts 5 entries, the ledger has 4")
    _refused(entries[:1], head, 2, "has 1")
    with pytest.raises(SealedPeriodError, match="no entries, expected 5"):
        ledger.verify([], head)
    _refused([entries[0], entries[2], entries[1], *entries[3:]], head, 2, "seq is 2, expected 1")
    _refused([*entries, entries[-1]], head, 6, "seq is 4, expected 5")
    _refused(_rechained([*entries, entries[-1]]), head, 6, "head counts 5 entries, the ledger has 6")
    swapped = _rechained([entries[0], entries[2], entries[1], *entries[3:]])
    _refused(swapped, head, 5, f"the head expected {head.last_hash}")
    quiet = _rechained(
        [dataclasses.replace(entry, kind="fit", metric_digest="") if entry.seq else entry for entry in entries]
    )
    assert ledger.openings(quiet) == 0
    _refused(quiet, head, 5, "the head expected")


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
        ({"metric_digest": "abc"}, "metric_digest 'abc'"),
        ({"kind": "fit", "metric_digest": METRICS}, "metric_digest"),
        ({"clock": lambda: datetime(2025, 1, 1)}, "with its zone"),  # noqa: DTZ001
    ):
        with pytest.raises(SealedPeriodError, match=message):
            ledger.append(entries, head, **{**right, **changes})
    with pytest.raises(SealedPeriodError, match="ledger line 5"):
        ledger.append(entries[:-1], head, **right)
    second = ledger._sealed(
        **{**_without_hash(ledger.genesis(_study(), _clock)), "seq": 5, "previous_hash": entries[-1].hash}
    )
    _refused([*entries, second], head, 6, "only line 1 is genesis")


def test_lines_are_read_strictly(entries):
    line = ledger.to_line(entries[1])
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
    lines = [ledger.to_line(entry) for entry in entries]
    with pytest.raises(SealedPeriodError, match="line 3: ledger line: not JSON"):
        ledger.read_ledger([*lines[:2], "", *lines[2:]], ledger.head_of(entries))
    for wrong in ('{"count": 0, "last_hash": "' + SPEC + '"}', '{"count": 2}', "x", '{"count": 2, "last_hash": "abc"}'):
        with pytest.raises(SealedPeriodError, match="ledger head"):
            ledger.LedgerHead.from_json(wrong)
