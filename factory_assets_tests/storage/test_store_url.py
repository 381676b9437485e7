"""A store URL that leads nowhere is told, not thrown."""

import pytest

from factory_assets.storage import Store
from factory_assets.vocabulary.clock import system_clock
from factory_assets.vocabulary.errors import ConfigurationError


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("foo://x", "Protocol not known: foo"),
        ("simplecache::foo://x", "Protocol not known: foo"),
        ("gs://bucket", "gcsfs"),  # a protocol fsspec knows, its driver is not installed
        ("github://x", "org"),  # a driver that needs more than a URL
        ("ftp://127.0.0.1:1/x", "refused"),
        ("ftp://[/x", "Invalid IPv6 URL"),
    ],
)
def test_a_url_no_driver_opens_names_the_variable_and_the_protocols(url, why):
    with pytest.raises(ConfigurationError) as caught:
        Store(url, clock=system_clock)
    told = str(caught.value)
    assert repr(url) in told
    assert why in told
    assert "FACTORY_STORE_URL" in told
    for protocol in ("file", "memory", "s3"):
        assert f" {protocol}," in told
    assert caught.value.exit_code == 2
