"""Stores that the pages read: one of a test's own, or one that several tests only look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st

from backend.settings import Settings
from tests.support.pages import ROOT

_SHOWN: list[Path | None] = [None]
_KEPT: dict[tuple[object, ...], Settings] = {}


def _show(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the pages read a store, with nothing kept from another one."""
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    monkeypatch.chdir(ROOT)
    if _SHOWN[0] != settings.cache:
        st.cache_data.clear()
        st.cache_resource.clear()
        _SHOWN[0] = settings.cache


@pytest.fixture
def store(settings, monkeypatch):
    """An empty store of the test's own."""
    _show(settings, monkeypatch)
    return settings


@pytest.fixture
def shown(monkeypatch, tmp_path_factory):
    """Makes a store once for all tests that ask with the same maker and arguments, and shows it.

    As in use, what one page has computed is there for the next.
    """

    def show(make: Callable[..., object], *arguments: object) -> Settings:
        key = (make, *arguments)
        if key not in _KEPT:
            kept = Settings(cache=tmp_path_factory.mktemp("shown") / "cache")
            kept.make_folders()
            make(kept, *arguments)
            _KEPT[key] = kept
        _show(_KEPT[key], monkeypatch)
        return _KEPT[key]

    return show
