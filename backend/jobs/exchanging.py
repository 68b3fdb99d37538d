"""Keeps a cache equal to the shared place while Steerscope runs."""

from __future__ import annotations

import logging
import threading

from backend.errors import SteerscopeError
from backend.settings import Settings
from backend.store.shared import exchange

logger = logging.getLogger("steerscope.shared")
# So old may be what a dashboard shows of what other caches have made, about.
EXCHANGE_SECONDS = 5.0


class Exchanging(threading.Thread):
    """Exchanges again and again until the process ends; does nothing where there is no shared
    place. One a cache is enough: others find it at work and leave it to that.

    Args:
        settings: of the cache.
        stop: whether the process is to end.
    """

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        super().__init__(name="exchanging", daemon=True)
        self._settings = settings
        self._stop_event = stop
        self._told: list[str] = []

    def run(self) -> None:
        """Exchange, and say what cannot be exchanged once."""
        while self._settings.shared:
            self._once()
            if self._stop_event.wait(EXCHANGE_SECONDS):
                return

    def _once(self) -> None:
        try:
            done = exchange(self._settings)
            failed = [] if done is None else done.failed
        except SteerscopeError as fault:
            failed = [f"{fault.what} {fault.remedy}"]
        except Exception:
            # Whatever it is, dashboards and workers go on, and so does the next exchange.
            logger.exception("the exchange with the shared place failed")
            return
        for text in failed:
            if text not in self._told:
                logger.warning("%s", text)
        self._told = failed
