"""What the environment says about an endpoint: its API key, and the proxy before it."""

import os
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from distilwhy.errors import ConfigError
from distilwhy.teachers.secrets import forms_of_login


@dataclass(frozen=True)
class Proxy:
    """A proxy; without a ``url``, none.

    Attributes:
        url: Its address, without a login.
        headers: Its login, if it needs one.
        secrets: What must not be shown of it.
    """

    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()


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


def find_proxy(url: str) -> Proxy:
    """The proxy that the environment names for an address, if any; none for this machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    bypassed = host in ("localhost", "127.0.0.1", "::1") or proxy_bypass(host)
    found = None if bypassed else getproxies().get(parts.scheme)
    if found is None:
        return Proxy()
    scheme, _, rest = found.rpartition("://")
    authority, slash, path = rest.partition("/")
    login, at, place = authority.rpartition("@")
    address = f"{scheme or 'http'}://{place}{slash}{path}"
    if not at:
        return Proxy(address)
    name, _, password = map(unquote, login.partition(":"))
    basic = b64encode(f"{name}:{password}".encode()).decode()
    secrets = forms_of_login(name, password, login) | {basic}
    return Proxy(address, {"Proxy-Authorization": f"Basic {basic}"}, frozenset(secrets))
