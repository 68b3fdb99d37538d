"""Start the dashboard's server: which addresses it answers on, and what its pages may ask for.

Until st.navigation has run once in a server, Streamlit takes a folder called ``pages`` for its
older kind of multi-page app and runs the linked page without app.py: no sidebar, no choices. A link
to any page must work before anyone has opened the first one, so that is turned off here.
"""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Mapping
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.secrets import SecretsValue

from backend.access import LogIn
from backend.lifeline import end_with_starter
from backend.settings import load_settings
from pages.shared.event_order import keep_order
from pages.shared.light_loading import LightLoadingMiddleware
from pages.shared.policy import PolicyMiddleware

_APP = Path(__file__).resolve().parents[2] / "app.py"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--address", required=True)
    parser.add_argument("--base-path", default="")
    # Under another name of the machine, a foreign page could have the browser ask for it.
    parser.add_argument("--host", action="append", default=[], help="a name it answers to")
    parser.add_argument("--supervised", action="store_true", help="end with who started it")
    return parser.parse_args()


def _secrets(log_in: LogIn | None) -> Mapping[str, SecretsValue] | None:
    """What Streamlit reads for log-in; in memory, so that no file holds it."""
    if log_in is None:
        return None
    return {
        "auth": {
            "redirect_uri": f"{log_in.url.rstrip('/')}/oauth2callback",
            "cookie_secret": log_in.cookie_secret or secrets.token_urlsafe(32),
            "client_id": log_in.client_id,
            "client_secret": log_in.client_secret,
            "server_metadata_url": log_in.metadata_url,
        }
    }


if __name__ == "__main__":
    options = _options()
    if options.supervised:
        end_with_starter()
    PagesManager.uses_pages_directory = False
    keep_order()
    middleware = [
        Middleware(TrustedHostMiddleware, allowed_hosts=options.host, www_redirect=False),
        Middleware(PolicyMiddleware),
        Middleware(LightLoadingMiddleware),
    ]
    st.App(_APP, middleware=middleware, secrets=_secrets(load_settings().log_in)).run(
        config={
            "server.port": options.port,
            "server.address": options.address,
            "server.baseUrlPath": options.base_path,
            "server.allowedHosts": options.host,
        }
    )
