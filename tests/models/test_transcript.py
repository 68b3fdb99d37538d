"""A base model that is offered by name reads conversations as plain transcripts, and says so."""

from __future__ import annotations

import json

import pytest

from backend.extraction.spans import encode_response
from backend.models.identity import identify, remembered_identity
from backend.models.load import load_tokenizer
from backend.models.notices import model_notices
from backend.models.presets import PRESETS
from backend.models.resolve import FoundModel
from backend.types import Message, Response
from tests.support.tiny_models import save_tiny_model

BASE = next(preset.name for preset in PRESETS if preset.transcript)
CHAT = (Message("system", "Be kind. "), Message("user", " It was expected."))


@pytest.fixture
def base_model(tmp_path):
    """A tiny model whose tokenizer has no chat template."""
    folder = save_tiny_model(tmp_path / "base", "gemma3")
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config.pop("chat_template", None)
    path.write_text(json.dumps(config))
    return folder


def test_only_the_response_is_wanted_of_a_transcript(base_model):
    assert load_tokenizer(base_model, str(base_model)).chat_template is None
    tokenizer = load_tokenizer(base_model, BASE)
    response = Response("s", "There is an ache.", messages=CHAT)
    encoded = encode_response(tokenizer, response)
    whole = tokenizer.decode(encoded.ids)
    assert "System: Be kind.\n\nUser: It was expected.\n\nAssistant: There is an ache." in whole
    wanted = [t for t, kept in zip(encoded.ids, encoded.wanted, strict=True) if kept]
    assert tokenizer.decode(wanted).strip() == "There is an ache."
    assert encoded.ids[0] == tokenizer.bos_token_id != encoded.ids[1]


def test_the_run_says_so_and_depends_on_it(base_model, settings, monkeypatch):
    (told,) = model_notices(BASE, base_model)
    assert "plain transcript" in told
    assert model_notices(str(base_model), base_model) == ()
    found = FoundModel(base_model, None, "wheel")
    monkeypatch.setattr("backend.models.identity.find_model", lambda *_: found)
    monkeypatch.setattr("backend.models.identity.model_folder", lambda *_: base_model)
    hashes = {}
    for name in (BASE, str(base_model)):
        settings.make_folders()
        _, identity = identify(name, settings, lambda *_: None)
        assert remembered_identity(name, settings) == identity
        hashes[name] = identity.chat_template_hash
    assert hashes[BASE] and not hashes[str(base_model)]
