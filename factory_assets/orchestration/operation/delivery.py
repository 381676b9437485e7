"""Sending alerts by webhook or e-mail, as configured. A channel that is down is logged and tried at the next tick."""

import dataclasses
import http.client
import json
import logging
import os
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import datetime
from email.message import EmailMessage

from factory_assets.orchestration.operation.alerts import GIVEN_UP, SENT, Alert, AlertBook
from factory_assets.vocabulary.errors import ConfigurationError
from factory_assets.vocabulary.settings import AlertSettings

_log = logging.getLogger(__name__)
_DOWN = (OSError, http.client.HTTPException, smtplib.SMTPException, ConfigurationError, ValueError)
"""What a channel raises that is down or misspelled; a host name that cannot be encoded is a ``UnicodeError``."""
Send = Callable[[Alert], None]


def deliver(book: AlertBook, settings: AlertSettings, now: datetime) -> int:
    """Send what has not been sent; how many messages went out.

    Never raises for a channel that is down or misspelled, nor for a record that cannot be written: that is logged,
    nothing is marked, and the next tick tries again, for ``retry_hours`` after the alert was written. A crash between
    sending and marking sends once more: an alert comes twice rather than never.

    Parameters
    ----------
    book : AlertBook
        Alerts and what was sent of them.
    settings : AlertSettings
        Channels.
    now : datetime
        Moment of the injected clock.
    """
    channels, down, sent = channels_of(settings), set(), 0
    for alert, name in book.unsent(channels):
        if book.has_expired(alert, now, settings.retry_hours):
            _log.error("alert not sent by %s within %d hours, given up: %s", name, settings.retry_hours, alert.headline)
            book.mark(alert, name, GIVEN_UP, now)
            continue
        if name in down:
            continue
        try:
            channels[name](alert)
        except _DOWN as problem:
            down.add(name)
            _log.error("alert not sent by %s, the next tick tries again: %s: %s", name, alert.headline, problem)
            continue
        sent += 1
        if not book.mark(alert, name, SENT, now):
            down.add(name)  # what cannot be recorded is sent again: one message a tick, not all of them
    return sent


def channels_of(settings: AlertSettings) -> Mapping[str, Send]:
    """The configured channels by name, each a function that sends one alert or raises."""
    channels: dict[str, Send] = {}
    if settings.webhook_url or settings.webhook_url_variable:
        channels["webhook"] = lambda alert: _post(alert, settings)
    if settings.email_to:
        channels["email"] = lambda alert: _mail(alert, settings)
    return channels


def _post(alert: Alert, settings: AlertSettings) -> None:
    url = settings.webhook_url or _secret(settings.webhook_url_variable, "webhook_url_variable")
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError(f"[alerts] {settings.webhook_url_variable}: expected an http or https address")
    body = json.dumps({"text": alert.text, **dataclasses.asdict(alert)}).encode()
    request = urllib.request.Request(  # noqa: S310 - http and https only, looked at above
        url, data=body, headers={"Content-Type": "application/json", "User-Agent": "factory-assets"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=settings.timeout_seconds) as answer:  # noqa: S310
            answer.read(1024)
    except urllib.error.HTTPError as problem:
        problem.close()
        raise
    except ValueError as problem:
        raise ConfigurationError(f"[alerts] the webhook's address cannot be used: {problem}") from problem


def _mail(alert: Alert, settings: AlertSettings) -> None:
    message = EmailMessage()
    message["Subject"] = f"[factory] {alert.headline}"
    message["From"], message["To"] = settings.email_from, ", ".join(settings.email_to)
    message.set_content(alert.text)
    context = ssl.create_default_context()
    host, port, seconds = settings.smtp_host, settings.smtp_port, settings.timeout_seconds
    with (
        smtplib.SMTP_SSL(host, port, timeout=seconds, context=context)
        if settings.smtp_security == "tls"
        else smtplib.SMTP(host, port, timeout=seconds)
    ) as server:
        if settings.smtp_security == "starttls":
            server.starttls(context=context)
        if settings.smtp_user:
            server.login(settings.smtp_user, _secret(settings.smtp_password_variable, "smtp_password_variable"))
        server.send_message(message)


def _secret(variable: str, key: str) -> str:
    value = os.environ.get(variable, "")
    if not value:
        raise ConfigurationError(f"[alerts] {key} names {variable}, which is not set where the daemon runs")
    return value
