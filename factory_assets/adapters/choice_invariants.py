"""Independent check of chosen columns: what each fit reads, recounted against its set's rules and bounds."""

from collections import Counter
from collections.abc import Mapping, Sequence

from factory_assets.adapters.choice_record import CHOSEN, FeatureChoice
from factory_assets.adapters.feature_sets import FeatureSet
from factory_assets.features.registry import registry
from factory_assets.vocabulary.verdict import Scalar, Verdict


def columns_verdict(
    choices: Mapping[str, FeatureChoice],
    read: Mapping[str, Sequence[str]],
    wanted: FeatureSet,
    offered: Sequence[str],
) -> Verdict:
    """Whether every fit reads as many columns as its set allows, of those the set is made of, one a cluster.

    Parameters
    ----------
    choices : mapping of str to FeatureChoice
        By fit (``fold_0``, ..., ``train``), as recorded at the fit.
    read : mapping of str to sequence of str
        Columns each fitted member reads.
    wanted : FeatureSet
        The set named by the model's entry, or by the configuration instead of it.
    offered : sequence of str
        Columns of the set's pool in the series: without those that read volume where it has none.

    Returns
    -------
    Verdict
        ``columns_within_bounds``. Nothing of the choosing is called: rules are asked of the catalogue column by column,
        clusters and columns are counted from the records.
    """
    specs = registry().specs
    eligible = {
        name for name in offered if any(rule.matches(specs[name.rpartition("__")[0] or name]) for rule in wanted.rules)
    }
    least = len(eligible) if wanted.columns_min is None else wanted.columns_min
    most = len(eligible) if wanted.columns_max is None else wanted.columns_max
    problems: list[str] = []
    details: dict[str, Scalar] = {}
    for fit, columns in read.items():
        details[f"{fit}_columns"] = len(columns)
        found = _problems(choices.get(fit), columns, wanted.name, eligible)
        if not least <= len(columns) <= most:
            found.append(f"{len(columns)} columns")
        problems += [f"{fit}: {problem}" for problem in found]
    counts = [len(columns) for columns in read.values()]
    return Verdict(
        name="columns_within_bounds",
        passed=not problems and bool(read) and {*choices} == {*read},
        summary=f"{len(read)} fits of set {wanted.name!r} ({least} to {most} of {len(eligible)} eligible columns) read "
        f"{min(counts, default=0)} to {max(counts, default=0)}; not as they should be: "
        f"{'; '.join(problems[:5]) or 'none'}",
        details={"least": least, "most": most, "eligible": len(eligible), **details},
    )


def _problems(choice: FeatureChoice | None, columns: Sequence[str], set_name: str, eligible: set[str]) -> list[str]:
    if choice is None:
        return ["no record of a choice"]
    found = []
    if choice.set_name != set_name:
        found.append(f"chosen for set {choice.set_name!r}")
    if strange := sorted({*columns} - eligible):
        found.append(f"{len(strange)} columns that are not eligible, such as {strange[0]}")
    if len(set(columns)) < len(columns):
        found.append("a column twice")
    fate_of = {fate.column: fate for fate in choice.fates}
    if {*fate_of} != eligible or len(fate_of) < len(choice.fates):
        found.append(f"a record of {len(choice.fates)} candidates, {len(eligible)} are eligible")
    chosen = {fate.column for fate in choice.fates if fate.reason in CHOSEN}
    if chosen != {*columns} or choice.columns != tuple(columns):
        found.append(f"a record of {len(chosen)} chosen columns that are not those read")
    speaking = Counter(fate.cluster for fate in choice.fates if fate.reason in ("medoid", "alone"))
    clustered = [fate for fate in choice.fates if fate.cluster >= 0]
    clusters = {fate.cluster for fate in clustered if fate.reason != "surplus"}
    both = clusters & {fate.cluster for fate in clustered if fate.reason == "surplus"}
    if clusters != {*speaking} or any(count > 1 for count in speaking.values()) or both:
        found.append(f"{len(clusters)} clusters with {sum(speaking.values())} columns that speak for them")
    foreign = sum(
        fate.reason != "surplus" and getattr(fate_of.get(fate.representative), "cluster", -1) != fate.cluster
        for fate in clustered
    )
    if foreign:
        found.append(f"{foreign} columns represented by one of another cluster")
    return found
