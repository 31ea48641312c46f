"""Where browsers find the desk, and what follows: the names of its cookies, HTTPS, and which requests are its own."""

from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from fastapi import Request

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LANGUAGE_COOKIE = "fundwatch_lang"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Site:
    """``public`` is the address that browsers use, with nothing behind host and port; ``None`` where that is ours.

    ``port`` is the one on which the desk listens.
    """

    public: str | None = None
    port: int = 8470

    @property
    def session_cookie(self) -> str:
        """Browsers keep cookies by host and name, whatever the port: another desk on the host has another name."""
        public = self._public
        return f"fundwatch_{self.port if public is None else public.port or _PORTS[public.scheme]}"

    def is_secure(self, request: Request) -> bool:
        """Whether whoever sent a request speaks HTTPS: to us, to a trusted proxy, or by the public address."""
        return request.scope["scheme"] == "https" or (self._public is not None and self._public.scheme == "https")

    def sent(self, request: Request) -> bool:
        """Whether a request that changes something comes from our own pages, as far as the browser tells."""
        if request.method in SAFE_METHODS:
            return True
        site = request.headers.get("sec-fetch-site")
        if site is not None:
            return site in ("same-origin", "none")
        origin = request.headers.get("origin")
        if origin is None:
            return True
        hosts = {request.headers.get("host"), None if self._public is None else self._public.netloc}
        return origin.partition("://")[2] in hosts - {None}

    @property
    def _public(self) -> SplitResult | None:
        return None if self.public is None else urlsplit(self.public)


HERE = Site()
"""A desk on its usual port, found where it listens."""
