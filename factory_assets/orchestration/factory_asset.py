"""The decorator behind every asset: partition loop, invariants, publish, and honest failure.

For each partition key of the run the body is called with a :class:`Materialization` and returns one
:class:`Product` an output. All verdicts are looked at before anything is written: if a blocking one is false, every
output of that partition is marked blocked (its bytes are kept), the red check is recorded and the step fails without
a retry. Several keys (a single-run range) are independent: one failing key does not keep the others from being written.
"""

import resource
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import dagster as dg
import pandas as pd

from factory_assets.orchestration.check_meanings import MEANINGS
from factory_assets.orchestration.declared_settings import declared_sections
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.outputs import ATTEMPT, CATALOGUE, OUTSIDE, Output, OutsideInput
from factory_assets.orchestration.partitions import CONTRACT, CONTRACT_HORIZON
from factory_assets.orchestration.resources import FactoryResource
from factory_assets.orchestration.tracking import Publication, Published, settings_made_under
from factory_assets.storage import Manifest
from factory_assets.storage.manifest import plain_scalar
from factory_assets.vocabulary.code_version import code_version
from factory_assets.vocabulary.errors import BadInputError, FactoryError, InvariantViolationError
from factory_assets.vocabulary.frames import to_table
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.verdict import Verdict

Body = Callable[[Materialization], Iterable[Product]]
OWNERS = ["team:factory"]
_IMAGE_BYTES_MAX = 200_000

# A check's verdict belongs to one partition; without the (preview) parameter the UI would show the last run's only.
warnings.filterwarnings(
    "ignore", message="Specifying a partitions_def on an AssetCheckSpec", category=dg.PreviewWarning
)


def factory_asset(
    *outputs: Output,
    reads: Sequence[str] = (),
    settings_sections: Sequence[str] = (),
    outside: Mapping[str, OutsideInput] = MappingProxyType({}),
) -> Callable[[Body], dg.AssetsDefinition]:
    """Turn a body into an asset definition with the given outputs.

    Parameters
    ----------
    outputs : Output
        Declared outputs; the body returns one product for each.
    reads : sequence of str
        Names of upstream outputs; the body may read nothing else.
    settings_sections : sequence of str
        Sections of the settings whose values the outputs depend on: the body may read nothing else of the settings,
        and the digest of everything it publishes covers exactly these.
    outside : mapping of str to callable
        Inputs that are no outputs of the graph, such as a partition's champion: how to ask what each is now. The
        answer from before the body began stands in every manifest, and another answer later makes the outputs stale.
    """
    declared_sections(settings_sections)
    for output in outputs:
        CATALOGUE.add(output)
    upstream = [CATALOGUE[name].key for name in reads]
    families = {output.by_horizon for output in outputs}
    if len(families) != 1:
        raise FactoryError(f"{[output.name for output in outputs]}: outputs of one body share a partition family")
    partitions = CONTRACT_HORIZON if families.pop() else CONTRACT

    def decorate(body: Body) -> dg.AssetsDefinition:
        for output in outputs:
            CATALOGUE.bind(output.name, body.__name__, settings_sections, outside)

        @dg.multi_asset(
            name=body.__name__,
            specs=[
                dg.AssetSpec(
                    output.key,
                    deps=upstream,
                    description=output.description,
                    group_name=output.group,
                    kinds=set(output.kinds),
                    owners=OWNERS,
                    code_version=code_version(),
                    partitions_def=partitions,
                    metadata=_declared_columns(output),
                )
                for output in outputs
            ],
            check_specs=[
                dg.AssetCheckSpec(
                    name, asset=output.key, description=MEANINGS.get(name), blocking=True, partitions_def=partitions
                )
                for output in outputs
                for name in output.checks
            ],
            backfill_policy=dg.BackfillPolicy.single_run(),
        )
        def definition(
            context: dg.AssetExecutionContext, factory: dg.ResourceParam[FactoryResource]
        ) -> Iterator[dg.AssetCheckResult | dg.AssetMaterialization | dg.MaterializeResult]:
            yield from _materialize(context, factory, body, outputs, reads, settings_sections)

        return definition

    return decorate


@dataclass
class _Told:
    """What the keys of one run came to: verdicts by output and invariant, metadata by key and output, problems."""

    verdicts: dict[tuple[str, str], list[tuple[str, Verdict]]] = field(default_factory=dict)
    written: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    problems: list[tuple[str, FactoryError]] = field(default_factory=list)


def _materialize(
    context: dg.AssetExecutionContext,
    factory: FactoryResource,
    body: Body,
    outputs: Sequence[Output],
    reads: Sequence[str],
    settings_sections: Sequence[str],
) -> Iterator[dg.AssetCheckResult | dg.AssetMaterialization | dg.MaterializeResult]:
    told, finished = _Told(), False
    keys = context.partition_keys
    if not keys:  # a reversed range: without this the step would end without its outputs
        raise dg.Failure(
            description=f"no partition from {context.partition_key_range.start} to {context.partition_key_range.end}: "
            "the range is empty. Give its first partition first, in the order of the partition list.",
            metadata={"exit_code": BadInputError.exit_code, "error": BadInputError.__name__},
            allow_retries=False,
        )
    try:
        for text in keys:
            work = Materialization(
                PartitionKey.parse(str(text)),
                factory,
                reads,
                settings_sections=settings_sections,
                tags=context.run.tags,
            )
            try:
                published = _attempt(told, work, body, outputs, attempt=f"{context.run.run_id} {text}")
            except FactoryError as problem:
                told.problems.append((str(text), problem))
            else:
                _track(context, work, settings_sections, published)
        finished = True
    finally:  # a defect is raised as it is, after what is known has been told
        yield from _known(told, outputs, finished=finished)
    if told.problems:
        first = told.problems[0][1]
        raise dg.Failure(
            description="\n".join(f"{key}: {problem}" for key, problem in told.problems),
            metadata={"exit_code": first.exit_code, "error": type(first).__name__},
            allow_retries=False,
        ) from first
    yield from _materialized(context, told.written, outputs)


def _known(
    told: _Told, outputs: Sequence[Output], *, finished: bool
) -> Iterator[dg.AssetCheckResult | dg.AssetMaterialization]:
    """Every verdict; and, if the step is about to fail, what it published all the same."""
    for output in outputs:
        for name in output.checks:
            if found := told.verdicts.get((output.name, name)):
                yield _check_result(output, name, found)
    if told.problems or not finished:
        yield from _written_all_the_same(told.written, outputs)


def _attempt(
    told: _Told,
    work: Materialization,
    body: Body,
    outputs: Sequence[Output],
    *,
    attempt: str,
) -> dict[str, Publication]:
    """One key: make every product, look at every verdict, then publish; raises what the user has to know."""
    key, begin_s = str(work.key), _cpu_s()
    outside = _outside(work, outputs)
    products = {product.name: product for product in body(work)}
    _complete(products, outputs)
    for product in products.values():
        for verdict in product.verdicts:
            told.verdicts.setdefault((product.name, verdict.name), []).append((key, verdict))
    _block_if_broken(work, outputs, products)
    published: dict[str, Publication] = {}
    for output in outputs:
        manifest = _publish(work, output, products, meta={ATTEMPT: attempt, **outside})
        metadata = _metadata(output, products[output.name], manifest)
        told.written.setdefault(key, {})[output.name] = {**metadata, "body_cpu_s": round(_cpu_s() - begin_s, 3)}
        product = products[output.name]
        published[output.name] = Publication(manifest=manifest, content=product.content, figures=product.metadata)
    return published


def _outside(work: Materialization, outputs: Sequence[Output]) -> dict[str, str]:
    """What the declared inputs outside the store are, as the manifests say it; outputs of one body share them."""
    declared = CATALOGUE.outside_of(outputs[0].name)
    return {f"{OUTSIDE}{name}": ask(work.home, work.factory.store, work.key) for name, ask in declared.items()}


def _track(
    context: dg.AssetExecutionContext,
    work: Materialization,
    settings_sections: Sequence[str],
    outputs: Mapping[str, Publication],
) -> None:
    """Hand what was published to the log of runs; one that breaks costs a warning."""
    factory = work.factory
    published = Published(
        key=work.key,
        run_id=context.run.run_id,
        profile=factory.profile,
        settings=settings_made_under(factory.settings, work.key, settings_sections),
        outputs=outputs,
    )
    message = factory.tracker.take(published)
    if message is not None:
        context.log.warning(message)


def _cpu_s() -> float:
    """CPU seconds of this process and of every process it has waited for: what a body cost, its fits included."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _materialized(
    context: dg.AssetExecutionContext,
    written: Mapping[str, Mapping[str, dict[str, Any]]],
    outputs: Sequence[Output],
) -> Iterator[dg.MaterializeResult]:
    for output in outputs:
        if len(written) == 1:
            (metadata,) = (made[output.name] for made in written.values())
            version = dg.DataVersion(metadata["sha256"])
            yield dg.MaterializeResult(asset_key=output.key, metadata=metadata, data_version=version)
            continue
        # One result stands for every partition of a range; what differs between them is added partition by partition.
        for text, made in written.items():
            context.add_asset_metadata(made[output.name], asset_key=output.key, partition_key=text)
        yield dg.MaterializeResult(asset_key=output.key)


def _written_all_the_same(
    written: Mapping[str, Mapping[str, Mapping[str, Any]]], outputs: Sequence[Output]
) -> Iterator[dg.AssetMaterialization]:
    """Partitions of a failed range that were published: the UI shows what the store holds."""
    for text, made in written.items():
        for output in outputs:
            if output.name in made:
                yield dg.AssetMaterialization(asset_key=output.key, partition=text, metadata=made[output.name])


def _complete(products: Mapping[str, Product], outputs: Sequence[Output]) -> None:
    """Each declared output has a product, and each declared invariant a verdict: none is forgotten, none is silent."""
    for output in outputs:
        if output.name not in products:
            raise FactoryError(f"the body made no {output.name}; it made {sorted(products)}")
        evaluated = sorted(verdict.name for verdict in products[output.name].verdicts)
        if evaluated != sorted(output.checks):
            raise FactoryError(f"{output.name}: invariants declared {sorted(output.checks)}, evaluated {evaluated}")


def _block_if_broken(work: Materialization, outputs: Sequence[Output], products: Mapping[str, Product]) -> None:
    """One false invariant blocks every output of the body: they were made from the same values."""
    everything = [verdict for made in products.values() for verdict in made.verdicts]
    broken = [verdict for verdict in everything if verdict.blocking and not verdict.passed]
    if not broken:
        return
    reason = "; ".join(f"{verdict.name}: {verdict.summary}" for verdict in broken)
    for output in outputs:
        work.factory.store.block(output.name, output.group, work.key, broken, reason)
    raise InvariantViolationError(
        f"{', '.join(output.name for output in outputs)} blocked, nothing was written: {reason}. "
        "Consumers refuse these partitions until a run of them passes."
    )


def _publish(
    work: Materialization,
    output: Output,
    products: Mapping[str, Product],
    *,
    meta: Mapping[str, str],
) -> Manifest:
    store, product = work.factory.store, products[output.name]
    common: dict[str, Any] = {
        "inputs": tuple(work.refs if product.inputs is None else product.inputs),
        "verdicts": tuple(product.verdicts),
        "code_version": code_version(),
        "settings_digest": work.settings.digest,
        "meta": {**meta, **work.provenance, **product.meta},
    }
    if output.schema is None:
        if isinstance(product.content, pd.DataFrame):
            raise FactoryError(f"{output.name} is declared as files but came as a table")
        return store.publish_files(output.name, output.group, work.key, product.content, **common)
    if not isinstance(product.content, pd.DataFrame):
        raise FactoryError(f"{output.name} is declared as a table but came as files")
    return store.publish_table(output.schema, work.key, to_table(product.content, output.schema), **common)


def _metadata(output: Output, product: Product, manifest: Manifest) -> dict[str, Any]:
    digest = manifest.parts[0].sha256 if output.schema else manifest.content_digest
    metadata: dict[str, Any] = {"sha256": digest}
    metadata |= {label: plain_scalar(value) for label, value in product.metadata.items()}
    if output.schema is not None:
        metadata["dagster/row_count"] = len(product.content)
    for figure in product.figures:
        if len(figure.png) <= _IMAGE_BYTES_MAX:
            metadata[figure.title] = dg.MetadataValue.md(f"![{figure.title}]({figure.data_uri})\n\n{figure.caption}")
    return metadata


def _check_result(output: Output, name: str, found: Sequence[tuple[str, Verdict]]) -> dg.AssetCheckResult:
    passed = all(bool(verdict.passed) for _, verdict in found)
    blocking = any(verdict.blocking for _, verdict in found)
    details: dict[str, Any] = {}
    for key, verdict in found:
        prefix = f"{key} " if len(found) > 1 else ""
        details |= {f"{prefix}{label}": plain_scalar(value) for label, value in verdict.details.items()}
    return dg.AssetCheckResult(
        asset_key=output.key,
        check_name=name,
        passed=passed,
        severity=dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN,
        description="; ".join(
            f"{key}: {verdict.summary}" if len(found) > 1 else verdict.summary for key, verdict in found
        ),
        metadata=details,
    )


def _declared_columns(output: Output) -> dict[str, Any]:
    if output.schema is None:
        return {}
    columns = [
        dg.TableColumn(
            name=column.name,
            type=str(column.type),
            description=column.meaning,
            constraints=dg.TableColumnConstraints(nullable=column.nullable),
        )
        for column in output.schema.stored_columns
    ]
    return {"dagster/column_schema": dg.TableSchema(columns=columns)}
