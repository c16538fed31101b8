"""The address of a teacher's endpoint."""

import re
from urllib.parse import parse_qsl, unquote, urlsplit

from distilwhy.config.strict import NAME_IT

HOMES = {
    "anthropic": "https://api.anthropic.com/v1",
    "gemini": "https://generativelanguage.googleapis.com/v1beta",
}
_VERSION = re.compile(r"/v\d\w*$")
_OF_A_CALL = re.compile(
    r"/(?:(?:chat/)?completions|messages|(?:tuned)?models/[^/]+:(?:stream)?generateContent)$", re.I
)
_SECRET_NAME = re.compile(
    r"key|token|secret|pass(?:w|$)|pwd|auth|sig|credential|bearer|jwt|^(?:code|pat|access)$", re.I
)
_SECRET_VALUE = re.compile(
    r"\b(?:sk|pk|rk|gsk|hf|xai|pplx|nvapi|r8|ghp|key|tok)[-_][\w-]{16,}|\bAIza[\w-]{16,}|\beyJ[\w-]{16,}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{12,}|\bBearer\s+\S{8,}"
)
# In a path: a parameter such as ``;key=abc``, or what follows ``/token/``.
_PARAMETER = re.compile(r"[;/&]([^=;/&]+)=")
_AFTER_NAME = re.compile(r"/(?:api[-_]?)?(?:key|token|secret)s?/(?=[^/]*\d)[\w.-]{8,}", re.I)
_RANDOM = re.compile(r"(?=\w*\d)(?=\w*[A-Za-z])\w{24,}")


def check_address(value: str, kind: object) -> str:
    """A checked base URL: with the version that the provider's client would add, and without the
    path of a call. A query, such as Azure's ``api-version``, stays.

    Raises:
        ValueError: if it is no address, or contains a key.
    """
    if _has_secret(value):
        raise ValueError(f"must not contain a key or a password; {NAME_IT}")
    if not re.match(r"https?://[^/?\s]+", value):
        raise ValueError("must start with http:// or https://")
    try:
        parts = urlsplit(value)
        _ = parts.port, str(parts.hostname).encode("idna")
    except ValueError:
        raise ValueError("is not an address; write it like http://localhost:8000/v1") from None
    path = _OF_A_CALL.sub("", parts.path.rstrip("/"))
    if (home := HOMES.get(str(kind))) and not _VERSION.search(path):
        path += home[home.rindex("/") :]
    return parts._replace(path=path).geturl()


def has_secret_value(text: str) -> bool:
    """Whether a text holds what looks like the key of a known provider."""
    return bool(_SECRET_VALUE.search(unquote(text)))


def _has_secret(value: str) -> bool:
    """Whether an address holds a login, a fragment, or what looks like a key."""
    place, _, query = value.partition("?")
    if "#" in value or "@" in re.sub(r"^\w*:?//", "", place).partition("/")[0]:
        return True
    plain = unquote(place)
    if has_secret_value(value) or _AFTER_NAME.search(plain):
        return True
    if any(map(_SECRET_NAME.search, _PARAMETER.findall(plain))):
        return True
    fields = parse_qsl(query, keep_blank_values=True)
    return any(_SECRET_NAME.search(name) or _RANDOM.search(given) for name, given in fields)
