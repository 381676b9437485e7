"""Whether the inputs of one consumer agree on what they were made of.

An *ancestor* is a table of one partition (``bars_1min|MGC``) that an input was made of, directly or through others.
Every manifest names its inputs with the hash of *their* manifest, and manifests are kept for ever under their hash, so
the walk sees exactly the versions that were read, whichever run they were read in.

Two inputs disagree when they saw different content of one ancestor slice. What counts as a slice:

* An ancestor with a session column is seen up to a day. The day follows the walk: whoever reads ``features_5min``
  until D depends on ``bars_5min`` until D only, because a row of the factory depends on nothing after its own session;
  so while the walk passes through tables with a session column, the earliest day met so far holds. A table without one
  (``splits``, a model) depends on all it read: from there on, the day is the one it read its own input with. Two
  sightings are compared at the earlier of their days, by the chained digests in their manifests: appended history
  agrees, restated history does not. Two sightings of the full history are compared in full, so a consumer of full
  histories also refuses two inputs of which only one has yesterday's bars.
* An ancestor without a session column is compared by its content among readers of the full history, and left out for
  readers of a slice: ``raw_minutes``, ``rolls`` and ``quarantine`` change rightfully when bars are appended, and what
  a restatement there does to the slice shows in the slice's own digest.

Digests are of content, not of runs: an ancestor that was materialized again with equal content agrees with itself. What
was seen is stored flat in the manifest's ``lineage``, for people and for a quick look; the walk is the judge.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from factory_assets.storage.manifest import InputRef, Manifest
from factory_assets.vocabulary.errors import IntegrityError, LineageConflictError

Load = Callable[[InputRef], Manifest]


@dataclass(frozen=True)
class _Sighting:
    """One ancestor as one input saw it."""

    through: InputRef
    manifest: Manifest
    until_day: int | None

    @property
    def ancestor(self) -> str:
        """Which table of which partition."""
        return f"{self.manifest.table}|{self.manifest.key}"

    @property
    def slice_name(self) -> str:
        """Ancestor and day, as ``lineage`` spells it."""
        return f"{self.ancestor}|{'full' if self.until_day is None else self.until_day}"


def agreed_lineage(refs: Sequence[InputRef], load: Load, current: Callable[[Manifest], str | None]) -> dict[str, str]:
    """Every ancestor slice of the inputs and its digest.

    Parameters
    ----------
    refs : sequence of InputRef
        What the consumer read.
    load : callable
        The manifest an input was read under.
    current : callable
        Hash of the manifest that is current now for that manifest's partition; only used for the message.

    Raises
    ------
    LineageConflictError
        If two inputs saw different content of one ancestor slice.
    IntegrityError
        If an input's digest is not the one its manifest gives.
    """
    by_ancestor: dict[str, list[_Sighting]] = {}
    lineage: dict[str, str] = {}
    for ref in refs:
        for sighting in _walk(ref, load):
            lineage[sighting.slice_name] = sighting.manifest.digest_at(sighting.until_day)
            for other in by_ancestor.get(sighting.ancestor, ()):
                _compare(other, sighting, current)
            by_ancestor.setdefault(sighting.ancestor, []).append(sighting)
    return lineage


def _walk(ref: InputRef, load: Load) -> list[_Sighting]:
    start = load(ref)
    if start.digest_at(ref.until_day) != ref.digest:
        raise IntegrityError(
            f"input {ref}: claims the digest {ref.digest}, its manifest {ref.manifest_sha256[:12]} gives "
            f"{start.digest_at(ref.until_day)}. Read the input from the store again."
        )
    waiting: list[tuple[Manifest, int | None]] = [(start, ref.until_day)]
    seen: set[tuple[str, int | None]] = set()
    sightings = []
    while waiting:
        manifest, day = waiting.pop()
        if (manifest.sha256, day) in seen:
            continue
        seen.add((manifest.sha256, day))
        sightings.append(_Sighting(ref, manifest, day))
        for upstream in manifest.inputs:
            reached = upstream.until_day if manifest.session_column is None else _earlier(day, upstream.until_day)
            ancestor = load(upstream)
            if ancestor.session_column is not None or reached is None:
                waiting.append((ancestor, reached))
    return sightings


def _earlier(first: int | None, second: int | None) -> int | None:
    days = [day for day in (first, second) if day is not None]
    return min(days) if days else None


def _compare(a: _Sighting, b: _Sighting, current: Callable[[Manifest], str | None]) -> None:
    if a.manifest.sha256 == b.manifest.sha256 and a.manifest.session_column is None:
        return
    day = _earlier(a.until_day, b.until_day)
    left, right = a.manifest.digest_at(day), b.manifest.digest_at(day)
    if left == right:
        return
    newest = current(a.manifest)
    stale = [s for s in (a, b) if s.manifest.sha256 != newest]
    again = sorted({f"{s.through.table}|{s.through.key}" for s in stale}) or sorted(
        {f"{s.through.table}|{s.through.key}" for s in (a, b)}
    )
    raise LineageConflictError(
        f"inputs {a.through} and {b.through} were made of different versions of {a.ancestor} "
        f"({'full history' if day is None else f'until day {day}'}): {left} and {right}. "
        f"Materialize {' and '.join(again)} again, from the current {a.ancestor}, then repeat this step."
    )
