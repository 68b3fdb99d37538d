"""Who may look and who may change things, where log-in is on."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from backend.errors import NotAllowed, SteerscopeError

# RFC 5321 allows no longer address. ASCII alone, as some other letters turn into these when made
# small (the Kelvin sign into k), and one could then log in under another's address.
_EMAIL = re.compile(r"[!-?A-~]{1,64}@[a-z0-9.-]{1,189}", re.ASCII)
_SHORTEST_SECRET = 32


@dataclass(frozen=True)
class Actor:
    """Who asks for something.

    Attributes:
        name: the e-mail address that the log-in service has verified.
        may_change: whether it is an operator's, not a viewer's.
    """

    name: str
    may_change: bool


# What stands for the dashboard itself: only someone who has logged in may change anything in it.
NOBODY = Actor("nobody", may_change=False)


@dataclass(frozen=True)
class LogIn:
    """How users log in by OpenID Connect, and which of them may do what.

    Attributes:
        url: where browsers reach the dashboard, such as ``https://lab.example.org/steerscope``.
        client_id: of this dashboard at the log-in service.
        client_secret: likewise.
        metadata_url: the service's description, ``.../.well-known/openid-configuration``.
        cookie_secret: signs who has logged in; empty for a new one at every start, which logs
            everybody out.
        operators: e-mail addresses that may change things; ``*@example.org`` for all of a domain.
        viewers: likewise, for looking.
    """

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    metadata_url: str
    cookie_secret: str = field(repr=False, default="")
    operators: tuple[str, ...] = ()
    viewers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_address("STEERSCOPE_URL", self.url)
        _check_address("STEERSCOPE_OIDC_METADATA_URL", self.metadata_url)
        if self.cookie_secret and len(self.cookie_secret) < _SHORTEST_SECRET:
            raise SteerscopeError(
                f"STEERSCOPE_OIDC_COOKIE_SECRET has {len(self.cookie_secret)} characters.",
                expected=f"{_SHORTEST_SECRET} or more, drawn at random.",
                remedy="set one from: openssl rand -hex 32; or unset it.",
            )
        for entry in (*self.operators, *self.viewers):
            if not _EMAIL.fullmatch(entry.lower()):
                raise SteerscopeError(
                    f"{entry[:80]!r} on a list of users is no e-mail address.",
                    expected="addresses such as ada@example.org, or *@example.org for a domain.",
                    remedy="change STEERSCOPE_OPERATORS or STEERSCOPE_VIEWERS.",
                )

    @property
    def host(self) -> str:
        """The name under which browsers reach the dashboard."""
        return urlsplit(self.url).hostname or ""

    @property
    def base_path(self) -> str:
        """What the dashboard's addresses begin with, without slashes at its ends."""
        return urlsplit(self.url).path.strip("/")

    def actor(self, claims: Mapping[str, object]) -> Actor:
        """Whose session it is, and what they may do.

        Args:
            claims: what the log-in service said of the user; empty for who has not logged in.

        Raises:
            NotAllowed: they have not logged in, their e-mail address is not verified, or it is on
                neither list.
        """
        email = claims.get("email")
        if claims.get("is_logged_in") is not True or not isinstance(email, str):
            raise NotAllowed(
                "Nobody has logged in here.",
                expected="a user with an e-mail address.",
                remedy="log in.",
            )
        # Of an address that is not verified, nobody knows whose it is.
        if claims.get("email_verified") is not True or not _EMAIL.fullmatch(email.lower()):
            raise NotAllowed(
                f"The log-in service has not verified the e-mail address {email[:80]}.",
                expected="an address that the service says is verified (email_verified).",
                remedy="verify it there, then log in again.",
            )
        name = email.lower()
        if _is_on(self.operators, name):
            return Actor(name, may_change=True)
        if _is_on(self.viewers, name):
            return Actor(name, may_change=False)
        raise NotAllowed(
            f"{name} may not use this Steerscope.",
            expected="an address on its list of viewers or of operators.",
            remedy="ask whoever runs it to add yours, or log in with another.",
        )


def _is_on(entries: Sequence[str], email: str) -> bool:
    domain = email.rpartition("@")[2]
    return any(entry.lower() in (email, f"*@{domain}") for entry in entries)


def _check_address(variable: str, text: str) -> None:
    """Tokens and cookies travel to these addresses, so others on the way must not read them."""
    try:
        parts = urlsplit(text)
        safe = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts))
    except ValueError:
        safe = False
    if not safe or not parts.hostname or parts.query or parts.fragment:
        raise SteerscopeError(
            f"{variable}={text[:120]!r} is no address for log-in.",
            expected="one that begins with https://, or with http:// on this machine.",
            remedy=f"change {variable}; a reverse proxy can add the encryption.",
        )


def _is_loopback(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
