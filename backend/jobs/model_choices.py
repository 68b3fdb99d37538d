"""The models a form offers by name; any other reference can be typed."""

from __future__ import annotations

from backend.models.presets import PRESETS
from backend.settings import DEFAULT_MODEL

DEFAULT_CHOICE = DEFAULT_MODEL


def model_choices() -> dict[str, str]:
    """Preset name -> title, the embedded default first."""
    return {preset.name: preset.title for preset in PRESETS}
