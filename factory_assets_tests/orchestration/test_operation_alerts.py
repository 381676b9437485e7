"""Alerts are written once, sent once, and survive a channel that is down."""

import json
import logging
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from factory_assets.orchestration.operation.alerts import Alert, AlertBook
from factory_assets.orchestration.operation.delivery import channels_of, deliver
from factory_assets.vocabulary.errors import ConfigurationError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.settings import AlertSettings, load_settings

NOW = datetime(2022, 12, 30, 23, 0, tzinfo=UTC)
FAILED = Alert(
    id="run-3",
    time=NOW.isoformat(),
    kind="failed run",
    partition="MGC|20",
    trade_date="2022-12-30",
    stage="night",
    attempt=3,
    is_final=True,
    step="nightly_refit",
    message="parity: 3 of 2000 predictions differ",
    run_id="run-3",
)


@dataclass
class Webhook:
    """A local server that keeps what it was sent and answers as told."""

    status: int = 200
    bodies: list[dict] = field(default_factory=list)
    port: int = 0


@contextmanager
def webhook() -> Iterator[Webhook]:
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/json"
            hook.bodies.append(json.loads(body))
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        hook.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield hook
        server.shutdown()


@contextmanager
def mail_server() -> Iterator[tuple[int, list[str]]]:
    """A stub that speaks enough SMTP to take a message."""
    received: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"220 stub\r\n")
            lines, in_data = [], False
            for raw in self.rfile:
                line = raw.decode().rstrip("\r\n")
                if in_data:
                    if line == ".":
                        received.append("\n".join(lines))
                        in_data = False
                        self.wfile.write(b"250 taken\r\n")
                    else:
                        lines.append(line)
                elif line.upper() == "DATA":
                    in_data = True
                    self.wfile.write(b"354 go on\r\n")
                elif line.upper() == "QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                else:
                    self.wfile.write(b"250 ok\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], received
        server.shutdown()


@pytest.fixture
def book(tmp_path):
    return AlertBook(FactoryHome(tmp_path))


def test_an_alert_is_one_line_written_once_and_logged(book, tmp_path, caplog):
    with caplog.at_level(logging.ERROR):
        assert book.write(FAILED)
        assert not book.write(replace(FAILED, message="told again"))
    (line,) = (tmp_path / "alerts.jsonl").read_text().splitlines()
    row = json.loads(line)
    assert (row["partition"], row["trade_date"], row["stage"], row["attempt"]) == ("MGC|20", "2022-12-30", "night", 3)
    assert (row["step"], row["run_id"]) == ("nightly_refit", "run-3")
    assert row["message"] == "parity: 3 of 2000 predictions differ"
    assert caplog.messages == [FAILED.text]
    assert book.alerts() == [FAILED]


def test_lines_that_are_no_alerts_are_logged_and_stand_in_nobodys_way(book, tmp_path, caplog):
    assert book.write(FAILED)
    newer = {**json.loads((tmp_path / "alerts.jsonl").read_text()), "id": "of a newer version", "colour": "red"}
    with (tmp_path / "alerts.jsonl").open("a") as file:
        lines = ['{"id": 3}', "garbage", "[]", json.dumps(newer), json.dumps({**newer, "time": "yesterday"})]
        file.write("\n".join(lines) + "\n")
    later = replace(FAILED, id="run-4")
    assert book.write(later)
    assert not book.write(FAILED), "what was there is still known"
    assert book.alerts() == [FAILED, replace(FAILED, id="of a newer version"), later]
    assert "alerts.jsonl: lines [2, 3, 4, 6] are no alerts" in caplog.text


def test_bytes_that_are_no_text_are_set_aside_and_the_alerts_around_them_stay_known(book, tmp_path, caplog):
    book.write(FAILED)
    path = tmp_path / "alerts.jsonl"
    path.write_bytes(path.read_bytes() + b"\xff\xfe damaged\n")
    later = replace(FAILED, id="run-4")
    assert book.write(later)
    assert book.alerts() == [FAILED, later]
    assert (tmp_path / "alerts.jsonl.damaged").read_bytes() == b"\xff\xfe damaged\n"
    assert "11 bytes were no text" in caplog.text


def test_an_alert_that_cannot_be_written_is_logged_in_full(tmp_path, caplog):
    (tmp_path / "alerts.jsonl").mkdir()
    assert not AlertBook(FactoryHome(tmp_path)).write(FAILED)
    assert "parity: 3 of 2000 predictions differ" in caplog.text
    assert "cannot be written" in caplog.text


def test_a_record_of_sendings_that_is_damaged_or_cannot_be_written_sends_again_rather_than_never(book, tmp_path):
    book.write(FAILED)
    book.write(replace(FAILED, id="run-4"))
    sent = tmp_path / "alerts_sent.jsonl"
    with webhook() as hook:
        settings = AlertSettings(webhook_url=f"http://127.0.0.1:{hook.port}/hook")
        sent.write_bytes(b'garbage\n{"id": 3}\n\xff\n')
        assert deliver(book, settings, NOW) == 2
        assert deliver(book, settings, NOW) == 0
        sent.unlink()
        sent.mkdir()
        assert deliver(book, settings, NOW) == 1, "one message a look, not all of them"


@pytest.mark.parametrize(
    "changes",
    [
        {"smtp_host": "mail..example.org"},
        {"smtp_host": "x" * 70 + ".org"},
        {"smtp_host": "127.0.0.1", "email_from": "a\nb"},
    ],
)
def test_a_misspelled_channel_is_logged_and_holds_no_other_back(book, caplog, changes):
    book.write(FAILED)
    with webhook() as hook:
        mail = {"email_to": ("a@b.c",), "email_from": "x@y.z", "smtp_port": 1, **changes}
        settings = AlertSettings(webhook_url=f"http://127.0.0.1:{hook.port}/hook", **mail)
        assert deliver(book, settings, NOW) == 1
    assert "alert not sent by email, the next tick tries again" in caplog.text


def test_the_webhook_gets_each_final_alert_once_and_no_other(book):
    book.write(replace(FAILED, id="run-1", attempt=1, is_final=False))
    book.write(FAILED)
    with webhook() as hook:
        settings = AlertSettings(webhook_url=f"http://127.0.0.1:{hook.port}/hook")
        assert [deliver(book, settings, NOW) for _ in range(3)] == [1, 0, 0]
    (body,) = hook.bodies
    assert body["text"] == (
        "MGC|20 night: failed run, trade date 2022-12-30, attempt 3 (the last)\nstep nightly_refit\n"
        "parity: 3 of 2000 predictions differ\nrun run-3"
    )
    assert body["partition"] == "MGC|20"
    assert body["is_final"] is True


@pytest.mark.parametrize("status", [500, 404, 302])
def test_a_webhook_that_refuses_is_tried_again_until_it_takes_the_alert(book, caplog, status):
    book.write(FAILED)
    book.write(replace(FAILED, id="run-4"))
    with webhook() as hook:
        settings = AlertSettings(webhook_url=f"http://127.0.0.1:{hook.port}/hook")
        hook.status = status
        assert deliver(book, settings, NOW) == 0
        assert len(hook.bodies) == 1, "a channel that is down is asked once a tick"
        assert "the next tick tries again" in caplog.text
        hook.status = 204
        assert deliver(book, settings, NOW) == 2
        assert deliver(book, settings, NOW) == 0


def test_a_webhook_nobody_listens_at_is_no_error_of_the_sensor_and_is_given_up_in_the_end(book, caplog):
    book.write(FAILED)
    with webhook() as hook:
        pass
    settings = AlertSettings(webhook_url=f"http://127.0.0.1:{hook.port}/hook", retry_hours=2)
    assert deliver(book, settings, NOW + timedelta(hours=2)) == 0
    assert book.unsent(["webhook"]) == [(FAILED, "webhook")]
    assert deliver(book, settings, NOW + timedelta(hours=2, seconds=1)) == 0
    assert "given up" in caplog.text
    assert book.unsent(["webhook"]) == []


def test_an_address_in_the_environment(book, monkeypatch, caplog):
    book.write(FAILED)
    settings = AlertSettings(webhook_url_variable="FACTORY_TEST_HOOK")
    monkeypatch.delenv("FACTORY_TEST_HOOK", raising=False)
    assert deliver(book, settings, NOW) == 0
    assert "webhook_url_variable names FACTORY_TEST_HOOK, which is not set" in caplog.text
    monkeypatch.setenv("FACTORY_TEST_HOOK", "file:///etc/hostname")
    assert deliver(book, settings, NOW) == 0
    assert "expected an http or https address" in caplog.text
    with webhook() as hook:
        monkeypatch.setenv("FACTORY_TEST_HOOK", f"http://127.0.0.1:{hook.port}/secret")
        assert deliver(book, settings, NOW) == 1
    assert len(hook.bodies) == 1


def test_mail_goes_to_everybody_and_a_webhook_that_is_down_does_not_hold_it_back(book):
    book.write(FAILED)
    with webhook() as hook:
        pass
    with mail_server() as (port, received):
        settings = AlertSettings(
            webhook_url=f"http://127.0.0.1:{hook.port}/hook",
            email_to=("desk@example.org", "night@example.org"),
            email_from="factory@example.org",
            smtp_host="127.0.0.1",
            smtp_port=port,
            smtp_security="none",
        )
        assert [deliver(book, settings, NOW) for _ in range(2)] == [1, 0]
    (message,) = received
    assert "To: desk@example.org, night@example.org" in message
    assert "Subject: [factory] MGC|20 night: failed run, trade date 2022-12-30" in message
    assert "parity: 3 of 2000 predictions differ" in message
    assert book.unsent(["webhook", "email"]) == [(FAILED, "webhook")]


def test_a_mail_server_that_does_not_offer_encryption_gets_no_mail(book, caplog):
    book.write(FAILED)
    with mail_server() as (port, received):
        settings = AlertSettings(
            email_to=("a@example.org",), email_from="b@example.org", smtp_host="127.0.0.1", smtp_port=port
        )
        assert deliver(book, settings, NOW) == 0
    assert received == []
    assert "STARTTLS" in caplog.text


def test_without_a_channel_nothing_is_sent_and_nothing_is_lost(book):
    book.write(FAILED)
    assert channels_of(AlertSettings()) == {}
    assert deliver(book, AlertSettings(), NOW) == 0
    assert book.unsent(["webhook"]) == [(FAILED, "webhook")]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ('webhook_url = "ftp://x"', "expected an address that begins with http:// or https://"),
        (
            'webhook_url = "http://x"\nwebhook_url_variable = "X"',
            "expected webhook_url or webhook_url_variable, got both",
        ),
        ('email_to = ["a@b.c"]', "email_to: expected email_from and smtp_host with it"),
        ('smtp_security = "ssl"', "expected smtp_security to be one of ['starttls', 'tls', 'none']"),
        ("email_to = [3]", "email_to: expected str, got 3"),
    ],
)
def test_alert_settings_that_could_not_work_are_refused(tmp_path, lines, says):
    path = tmp_path / "factory.toml"
    path.write_text(f"[alerts]\n{lines}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_settings("fast", path)
    assert says in str(caught.value)
