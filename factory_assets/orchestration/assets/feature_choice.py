"""Phase 7: the columns every base model's fits chose, side by side in one table."""

import json
from collections.abc import Iterable

import pandas as pd

from factory_assets.orchestration.assets.models import BASES, choice_name, read_choices
from factory_assets.orchestration.factory_asset import factory_asset
from factory_assets.orchestration.materialization import Materialization, Product
from factory_assets.orchestration.outputs import table_output
from factory_assets.reports.feature_choice import choice_figures, stability_table
from factory_assets.stacking import choice_rows, choices_verdict
from factory_assets.vocabulary.schemas import FEATURE_CHOICE, SPLITS

_MEMBER_FILE = "member.json"


@factory_asset(
    table_output(
        FEATURE_CHOICE,
        "Every column each fit of each base model could choose, what came of it, and which column speaks for it.",
        checks=("choices_complete",),
    ),
    reads=[SPLITS.name, *(f"model_{name}" for name in BASES), *(choice_name(name) for name in BASES)],
)
def feature_choice(part: Materialization) -> Iterable[Product]:
    """Lay the choices of all base models under each other."""
    rows = choice_rows({name: read_choices(part, name) for name in BASES})
    released = {name: _columns_of(part, name) for name in BASES}
    stability = stability_table(rows)
    return [
        Product(
            name=FEATURE_CHOICE.name,
            content=rows,
            verdicts=[choices_verdict(rows, part.read(SPLITS.name, columns=["scheme", "fold"]), released)],
            metadata=_headline(stability),
            figures=choice_figures(rows, simulated=part.instrument.simulated),
        )
    ]


def _columns_of(part: Materialization, name: str) -> tuple[str, ...]:
    """Columns the released fit of a base model reads, as its own header says."""
    header = json.loads(part.read_files(f"model_{name}").files[_MEMBER_FILE])
    return tuple(header["feature_names"])


def _headline(stability: pd.DataFrame) -> dict[str, str]:
    return {
        str(row.model): f"{row.feature_set}: {row.columns_min} to {row.columns_max} of {row.candidates}, "
        f"{row.in_every_fit} in every fit"
        for row in stability.itertuples()
    }
