"""Transfers between models."""
