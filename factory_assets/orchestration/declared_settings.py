"""The settings as an asset body sees them: the sections it declared, and nothing else.

An output's digest covers the declared sections. A body that could read another one would make something its digest does
not speak of, so reading an undeclared section raises, like reading an undeclared upstream table does.
"""

from collections.abc import Iterable

from factory_assets.vocabulary.errors import FactoryError
from factory_assets.vocabulary.partition import PartitionKey
from factory_assets.vocabulary.settings import (
    AdapterSettings,
    Barriers,
    DeploymentSettings,
    EvaluationSettings,
    FactorySettings,
    FeatureSettings,
    ForwardSettings,
    LabelSettings,
    MarketSettings,
    ModelSettings,
    SplitSettings,
    TrackingSettings,
)

SECTIONS = frozenset(FactorySettings.__dataclass_fields__) - {"operation", "alerts"}
"""What ``settings_sections`` may name; ``profile`` is one, for what shows the profile's name. When a run is asked for,
and who is told of its failure, is no body's business."""


class DeclaredSettings:
    """Settings of one partition, as far as an asset declared that its outputs depend on them.

    Each section is the property of its name.

    Parameters
    ----------
    settings : FactorySettings
        Settings in force.
    key : PartitionKey
        Partition being made; the barriers of other partitions are out of sight and out of the digest.
    sections : iterable of str
        The declaration, a subset of :data:`SECTIONS`.

    Raises
    ------
    FactoryError
        A declaration of a section there is not.
    """

    def __init__(self, settings: FactorySettings, key: PartitionKey, sections: Iterable[str]) -> None:
        self._settings = settings.of_partition(key)
        self._key = key
        self._sections = declared_sections(sections)

    @property
    def digest(self) -> str:
        """Sha256 over the declared sections; over nothing if none was declared."""
        return self._settings.digest(*sorted(self._sections))

    @property
    def profile(self) -> str:
        """Name of the profile, for pages and manifests that show it."""
        return self._with("profile").profile

    @property
    def market(self) -> MarketSettings:
        """Section ``[market]``."""
        return self._with("market").market

    @property
    def features(self) -> FeatureSettings:
        """Section ``[features]``."""
        return self._with("features").features

    @property
    def labels(self) -> LabelSettings:
        """Section ``[labels]``."""
        return self._with("labels").labels

    @property
    def splits(self) -> SplitSettings:
        """Section ``[splits]``."""
        return self._with("splits").splits

    @property
    def adapters(self) -> AdapterSettings:
        """Section ``[adapters]``."""
        return self._with("adapters").adapters

    @property
    def models(self) -> ModelSettings:
        """Section ``[models]``."""
        return self._with("models").models

    @property
    def evaluation(self) -> EvaluationSettings:
        """Section ``[evaluation]``."""
        return self._with("evaluation").evaluation

    @property
    def deployment(self) -> DeploymentSettings:
        """Section ``[deployment]``."""
        return self._with("deployment").deployment

    @property
    def tracking(self) -> TrackingSettings:
        """Section ``[tracking]``."""
        return self._with("tracking").tracking

    @property
    def forward(self) -> ForwardSettings:
        """Section ``[forward]``."""
        return self._with("forward").forward

    @property
    def barriers(self) -> Barriers:
        """Geometry of the partition; its key has a horizon."""
        return self._with("barriers").barriers_of(self._key.contract, self._key.horizon or 0)

    def _with(self, section: str) -> FactorySettings:
        if section not in self._sections:
            raise FactoryError(
                f"settings section {section!r} is read but not declared; add it to `settings_sections` of the asset"
            )
        return self._settings


def declared_sections(sections: Iterable[str]) -> frozenset[str]:
    """A declaration, checked.

    Raises
    ------
    FactoryError
        If it names a section there is not.
    """
    declared = frozenset(sections)
    if not declared <= SECTIONS:
        raise FactoryError(f"settings sections {sorted(declared - SECTIONS)}: known are {sorted(SECTIONS)}")
    return declared
