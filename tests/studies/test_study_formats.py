"""The same study in any format is the same study, with the same hash."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
import unicodedata
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.errors import SteerscopeError
from backend.studies.hashing import content_hash
from backend.studies.importer import read_study
from tests.support.studies import small_study
from tests.support.study_files import write_study

FORMATS = ("jsonl", "csv", "parquet")
# Categories of white space and of signs of no width: a text of these alone is refused.
UNSEEN = {"Cc", "Cf", "Zl", "Zp", "Zs"}
TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), include_characters="\n"),
    min_size=1,
).filter(lambda text: any(unicodedata.category(sign) not in UNSEEN for sign in text))


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_written_study_is_read_back(tmp_path, suffix):
    study = small_study()
    assert read_study(write_study(tmp_path / "small", study, suffix)) == study


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(TEXT, min_size=8, max_size=8, unique=True), score=st.floats(0, 10))
def test_any_text_and_score_survive_any_format(texts, score):
    study = small_study(scenarios=1, prompts=2)
    prompts = tuple(
        dataclasses.replace(p, text=t) for p, t in zip(study.prompts, texts, strict=True)
    )
    responses = tuple(
        dataclasses.replace(r, text=t, scores={"haste": score})
        for r, t in zip(study.responses, texts, strict=False)
    )
    study = dataclasses.replace(study, prompts=prompts, responses=responses)
    hashes = set()
    for suffix in FORMATS:
        with tempfile.TemporaryDirectory() as folder:
            read = read_study(write_study(Path(folder), study, suffix), "small")
        assert read == study
        hashes.add(content_hash(read))
    assert len(hashes) == 1


def test_the_hash_ignores_order_number_type_and_name_and_sees_everything_else():
    study = small_study()
    same = content_hash(study)
    shuffled = dataclasses.replace(
        study,
        name="other",
        prompts=study.prompts[::-1],
        responses=tuple(
            dataclasses.replace(
                r, scores={t: int(v) if v == int(v) else v for t, v in reversed(r.scores.items())}
            )
            for r in study.responses[::-1]
        ),
    )
    assert content_hash(shuffled) == same
    first = study.responses[0]
    changed = [
        dataclasses.replace(study, title="Another"),
        dataclasses.replace(study, score_range=(0.0, 11.0)),
        dataclasses.replace(study, prompts=study.prompts[1:]),
        dataclasses.replace(
            study,
            responses=(dataclasses.replace(first, scores={"haste": 1.25}), *study.responses[1:]),
        ),
        dataclasses.replace(
            study, responses=(dataclasses.replace(first, messages=()), *study.responses[1:])
        ),
    ]
    hashes = {content_hash(other) for other in changed}
    assert len(hashes) == len(changed)
    assert same not in hashes


@pytest.mark.parametrize("inside", ["", "top/"])
def test_a_zip_is_read_like_its_folder(tmp_path, inside):
    study = small_study()
    folder = write_study(tmp_path / "small", study)
    (folder / "README.txt").write_text("ignored")
    with zipfile.ZipFile(tmp_path / "small.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"{inside}{file.name}")
    shutil.rmtree(folder)
    assert read_study(tmp_path / "small.zip") == study


def test_a_byte_order_mark_and_windows_lines_are_accepted(tmp_path):
    folder = write_study(tmp_path / "small", small_study(), "csv")
    for file in folder.glob("*.csv"):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert read_study(folder) == small_study()


def test_a_study_without_responses_is_geometry_only(tmp_path):
    study = dataclasses.replace(small_study(), responses=())
    read = read_study(write_study(tmp_path / "small", study))
    assert read.target == "none"


def test_one_response_per_scenario_gives_levels(tmp_path):
    study = small_study(turns=False)
    read = read_study(write_study(tmp_path / "small", study))
    assert read.target == "level"
    assert small_study().target == "drift"


@pytest.mark.parametrize("name", ["", "Up", "a b", "../x", "-x", "x" * 65])
def test_names_that_are_no_file_names_are_refused(tmp_path, name):
    folder = write_study(tmp_path / "small", small_study())
    with pytest.raises(SteerscopeError, match="cannot name a study"):
        read_study(folder, name)


def test_the_name_comes_from_the_path(tmp_path):
    folder = write_study(tmp_path / "My Study (2)", small_study())
    assert read_study(folder).name == "my-study-2"
