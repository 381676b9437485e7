"""The logistic meta-learner of a stack."""

from factory_assets.models.model_entry import SearchRange
from factory_assets.models.multinomial import MultinomialParameters
from factory_assets.models.multinomial_model import MultinomialModel
from factory_assets.models.registry import register


@register(
    name="logistic_meta",
    family="meta",
    adapter="probabilities",
    primary_minutes=None,
    feature_set="base_log_probabilities",
    scaling="none",
    window=None,
    defaults=MultinomialParameters(balanced=False, inverse_l2=0.01),
    search_space={"inverse_l2": SearchRange(low=1e-4, high=1.0, log=True)},
    determinism="bitwise",
    file_format="json",
    weights_equal_copies=True,
    memorising={"inverse_l2": 1e4},
)
class LogisticMeta(MultinomialModel):
    """Weighs the base models' log-probabilities.

    Neither scaled (they share one unit) nor balanced (the bases' probabilities are to be kept calibrated). With little
    evidence the strong penalty falls back to the class shares; with much of it, towards the bases' own logits.

    References
    ----------
    Wolpert (1992), Stacked Generalization, Neural Networks 5(2), pp. 241-259.
    """
