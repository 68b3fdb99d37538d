"""A store that the pages read, with nothing kept from the test before."""

from __future__ import annotations

import pytest
import streamlit as st

from tests.support.pages import ROOT


@pytest.fixture
def store(settings, monkeypatch):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    monkeypatch.chdir(ROOT)
    st.cache_data.clear()
    st.cache_resource.clear()
    return settings
