"""Where the dashboard listens, and to which names it answers."""

from __future__ import annotations

import dataclasses

import pytest

from backend.errors import SteerscopeError
from backend.jobs.supervisor import Address, check_place
from backend.settings import load_settings


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.2", "::", "10.0.0.1"])
def test_an_address_that_others_reach_must_be_meant(address, settings):
    with pytest.raises(SteerscopeError, match="nobody is asked who they are"):
        check_place(Address(8501, address), settings)
    check_place(Address(8501, address, insecure=True), settings)


def test_loopback_needs_nothing_and_no_name_is_an_address(settings):
    for address in ("127.0.0.1", "127.0.0.2", "::1"):
        check_place(Address(8501, address), settings)
    with pytest.raises(SteerscopeError, match="is no IP address"):
        check_place(Address(8501, "localhost", insecure=True), settings)


@pytest.mark.parametrize("path", ["/a", "a/", "a//b", "a b", "../a", "a?b", "a#b"])
def test_a_base_path_is_a_path(path, settings):
    check_place(Address(8501, base_path="tools/scope-1"), settings)
    with pytest.raises(SteerscopeError, match="cannot begin the dashboard"):
        check_place(Address(8501, base_path=path), settings)


def test_names_it_answers_to(settings):
    named = dataclasses.replace(settings, hosts=("a.example", "*.b.example"))
    assert Address(1).hosts(settings) == ("localhost", "127.0.0.1", "127.0.0.1")
    found = Address(1, "0.0.0.0", insecure=True).hosts(named)
    assert found == ("localhost", "127.0.0.1", "a.example", "*.b.example")


def test_settings_of_access(monkeypatch):
    monkeypatch.setenv("STEERSCOPE_HOSTS", "a.example, b.example")
    monkeypatch.setenv("STEERSCOPE_READ_ONLY", "1")
    found = load_settings()
    assert found.hosts == ("a.example", "b.example") and found.read_only
    monkeypatch.setenv("STEERSCOPE_READ_ONLY", "yes")
    with pytest.raises(SteerscopeError, match="neither on nor off"):
        load_settings()
