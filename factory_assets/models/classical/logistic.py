"""Logistic regression on scaled tabular rows."""

from factory_assets.models.model_entry import SearchRange
from factory_assets.models.multinomial import MultinomialParameters
from factory_assets.models.multinomial_model import MultinomialModel
from factory_assets.models.registry import register


@register(
    name="logistic",
    family="classical",
    adapter="tabular",
    primary_minutes=60,
    feature_set="ensemble_base",
    scaling="catalogue",
    window=None,
    defaults=MultinomialParameters(balanced=True, inverse_l2=0.01),
    search_space={"inverse_l2": SearchRange(low=1e-5, high=1.0, log=True)},
    determinism="bitwise",
    file_format="json",
    weights_equal_copies=True,
    memorising={"inverse_l2": 1e4},
)
class Logistic(MultinomialModel):
    """Linear view of the features: balanced classes in the fit, training shares back in the probabilities.

    The default penalty (prior standard deviation of a coefficient 0.1 per robust scale) suits some hundred columns of
    which few carry anything.
    """
