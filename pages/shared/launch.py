"""Start the dashboard's server: which addresses it answers on, and what its pages may ask for.

Until st.navigation has run once in a server, Streamlit takes a folder called ``pages`` for its
older kind of multi-page app and runs the linked page without app.py: no sidebar, no choices. A link
to any page must work before anyone has opened the first one, so that is turned off here.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from streamlit.runtime.pages_manager import PagesManager

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
    return parser.parse_args()


if __name__ == "__main__":
    options = _options()
    PagesManager.uses_pages_directory = False
    middleware = [
        Middleware(TrustedHostMiddleware, allowed_hosts=options.host, www_redirect=False),
        Middleware(PolicyMiddleware),
        Middleware(LightLoadingMiddleware),
    ]
    st.App(_APP, middleware=middleware).run(
        config={
            "server.port": options.port,
            "server.address": options.address,
            "server.baseUrlPath": options.base_path,
            "server.allowedHosts": options.host,
        }
    )
