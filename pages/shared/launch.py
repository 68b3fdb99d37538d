"""Start Streamlit so that a link to any page works before anyone has opened the first one.

Until st.navigation has run once in a server, Streamlit takes a folder called ``pages`` for its
older kind of multi-page app and runs the linked page without app.py: no sidebar, no choices.
"""

from __future__ import annotations

import sys

from streamlit.runtime.pages_manager import PagesManager
from streamlit.web import cli

if __name__ == "__main__":
    PagesManager.uses_pages_directory = False
    cli.main(["run", "app.py", *sys.argv[1:]])
