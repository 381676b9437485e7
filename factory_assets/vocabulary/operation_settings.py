"""Sections ``[operation]`` and ``[alerts]``: what runs unattended, and who is told when it fails."""

from dataclasses import dataclass, field

from factory_assets.vocabulary.allowed import allow
from factory_assets.vocabulary.instruments import INSTRUMENTS
from factory_assets.vocabulary.timeframes import HORIZONS_BARS


@dataclass(frozen=True, kw_only=True)
class OperationSettings:
    """Unattended operation: what the sensors ask for, and when.

    Attributes
    ----------
    contracts : tuple of str
        Contracts refreshed by themselves; none by default, which switches the night off.
    horizons : tuple of int
        Horizons that follow a refreshed contract, in base bars.
    profile : str
        Budget of the runs asked for.
    delay_minutes : int
        Minutes after a session's close before its trade date counts as completed.
    late_minutes : int
        Minutes after that close without its bars before one alert says so.
    attempts_max : int
        Runs of one stage over equal inputs before the factory gives up and sends one alert.
    backoff_minutes : int
        Minutes between the asking for two attempts.
    run_hours_max : int
        Hours after which a run that is not over is told, and one that no process ever took up is ended.
    tick_seconds : int
        Seconds between two looks of a sensor; read when the code location is loaded.
    """

    contracts: tuple[str, ...] = field(default=(), metadata=allow(one_of=tuple(INSTRUMENTS)))
    horizons: tuple[int, ...] = field(default=HORIZONS_BARS, metadata=allow(one_of=HORIZONS_BARS, length_min=1))
    profile: str = field(default="fast", metadata=allow(one_of=("fast", "standard", "full")))
    delay_minutes: int = field(default=15, metadata=allow(at_least=0, at_most=1440))
    late_minutes: int = field(default=480, metadata=allow(at_least=0, at_most=10_080))
    attempts_max: int = field(default=3, metadata=allow(at_least=1, at_most=20))
    backoff_minutes: int = field(default=10, metadata=allow(at_least=0, at_most=1440))
    run_hours_max: int = field(default=12, metadata=allow(at_least=1, at_most=240))
    tick_seconds: int = field(default=30, metadata=allow(at_least=1, at_most=3600))


@dataclass(frozen=True, kw_only=True)
class AlertSettings:
    """Where alerts go besides ``alerts.jsonl`` and the log; nowhere by default.

    Attributes
    ----------
    webhook_url : str
        Address that is sent one JSON object an alert (``text`` and the alert's fields); http or https.
    webhook_url_variable : str
        Environment variable that holds the address instead, when the address is a secret.
    email_to : tuple of str
        Recipients.
    email_from : str
        Sender.
    smtp_host, smtp_port : str, int
        Mail server.
    smtp_security : str
        ``starttls``, ``tls`` or ``none``.
    smtp_user : str
        Login; empty for none.
    smtp_password_variable : str
        Environment variable that holds the password.
    timeout_seconds : float
        How long one sending may take.
    retry_hours : int
        How long a sending that fails is tried again, by the factory's clock.
    """

    webhook_url: str = field(default="", metadata=allow())
    webhook_url_variable: str = field(default="", metadata=allow())
    email_to: tuple[str, ...] = field(default=(), metadata=allow())
    email_from: str = field(default="", metadata=allow())
    smtp_host: str = field(default="", metadata=allow())
    smtp_port: int = field(default=587, metadata=allow(at_least=1, at_most=65_535))
    smtp_security: str = field(default="starttls", metadata=allow(one_of=("starttls", "tls", "none")))
    smtp_user: str = field(default="", metadata=allow())
    smtp_password_variable: str = field(default="FACTORY_SMTP_PASSWORD", metadata=allow())
    timeout_seconds: float = field(default=10.0, metadata=allow(above=0, at_most=30))
    retry_hours: int = field(default=72, metadata=allow(at_least=1, at_most=8760))


def alert_contradictions(alerts: AlertSettings) -> list[str]:
    """What no field of ``[alerts]`` shows alone."""
    problems = []
    if alerts.webhook_url and not alerts.webhook_url.startswith(("http://", "https://")):
        problems.append("[alerts] webhook_url: expected an address that begins with http:// or https://")
    if alerts.webhook_url and alerts.webhook_url_variable:
        problems.append("[alerts] expected webhook_url or webhook_url_variable, got both")
    if alerts.email_to and not (alerts.email_from and alerts.smtp_host):
        problems.append("[alerts] email_to: expected email_from and smtp_host with it")
    return problems
