"""A store that the pages read, with nothing kept from the test before."""

from __future__ import annotations

from pathlib import Path

import pytest
import streamlit as st

from tests.support.pages import ROOT


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test that draws a page is slow: the first page of a process takes seconds."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def store(settings, monkeypatch):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    monkeypatch.chdir(ROOT)
    st.cache_data.clear()
    st.cache_resource.clear()
    return settings
