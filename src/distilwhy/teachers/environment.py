"""What the environment says about an endpoint: its API key, and the proxy before it."""

import os
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from distilwhy.errors import ConfigError


def read_key(name: str | None) -> str | None:
    """The API key in the environment variable ``name``; None if no variable is named.

    Raises:
        ConfigError: if the variable is not set, or holds something that cannot be a key.
    """
    if name is None:
        return None
    key = os.environ.get(name, "").strip()
    if not key:
        raise ConfigError(
            f"teacher.api_key_env: ${name} is not set; export your key under that name"
        )
    if not key.isprintable() or " " in key:
        raise ConfigError(
            f"teacher.api_key_env: ${name} holds more than a key; export your key alone"
        )
    return key


def find_proxy(url: str) -> str | None:
    """The proxy that the environment names for an address, if any; none for this machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    bypassed = host in ("localhost", "127.0.0.1", "::1") or proxy_bypass(host)
    return None if bypassed else getproxies().get(parts.scheme)
