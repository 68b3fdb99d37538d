"""The shared place, as a folder and on a server that speaks S3: caches become equal, nothing is
overwritten, half there or lost."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import secrets
import shutil

import pytest

from backend.errors import NoRoom, SharedAway, SteerscopeError, StoreError
from backend.settings import Settings
from backend.store import shared
from backend.store.catalog import run_list, study_list
from backend.store.note import About, delete_note, note_list, publish_note
from backend.store.places import FolderPlace, place_of
from backend.store.run import delete_run, run_path
from backend.store.shared import exchange, place_id, share
from backend.store.study import publish_study
from backend.studies.hashing import content_hash
from tests.support.phantom_store import publish_small_phantom
from tests.support.places import make_bucket, s3_server
from tests.support.studies import small_study


@pytest.fixture(scope="module")
def server():
    with s3_server() as address:
        yield address


@pytest.fixture(params=["folder", "s3"])
def url(request, tmp_path):
    """A new shared place of either kind."""
    if request.param == "folder":
        (tmp_path / "shared").mkdir()
        return str(tmp_path / "shared")
    bucket = f"steerscope-{secrets.token_hex(4)}"
    make_bucket(request.getfixturevalue("server"), bucket)
    return f"s3://{bucket}/of/a/team"


@pytest.fixture
def caches(url, tmp_path):
    """Two caches with one shared place."""
    made = [Settings(cache=tmp_path / name, shared=url) for name in ("one", "two")]
    for settings in made:
        settings.make_folders()
    return made


def put(settings, run_id, content=b"a run"):
    run_path(settings, run_id).write_bytes(content)


def counts(settings):
    done = exchange(settings)
    assert done.failed == []
    return done.published, done.fetched, done.removed, done.aside


def files(settings):
    """Every shared file of a cache and its bytes."""
    return {
        f"{kind.name}/{path.name}": path.read_bytes()
        for kind in shared.KINDS.values()
        for path in (settings.cache / kind.folder).glob(f"*{kind.suffix}")
    }


def test_all_that_a_cache_keeps_is_shared_but_for_what_is_its_own(settings):
    kept = {path.relative_to(settings.cache).as_posix() for path in settings.cache.rglob("*")}
    own = {"work", "models", "jobs", "drafts"}
    assert {kind.folder for kind in shared.KINDS.values()} - {"jobs/logs"} == kept - own


def test_both_caches_come_to_hold_the_same(caches):
    one, two = caches
    _, runs = publish_small_phantom(one)
    study = small_study()
    other = publish_study(two, study, content_hash(study))
    publish_note(two, About("prompt", other.key, "", "warmth", "default", None, 7), "seen")
    (one.jobs / "logs").mkdir()
    (one.jobs / "logs" / "job~0123abcd.log").write_text("2026-01-01 00:00:00Z  begun\n")
    assert counts(one) == (4, 0, 0, 0)  # the study, its two runs, the log
    assert counts(two) == (2, 4, 0, 0)
    assert counts(one) == (0, 2, 0, 0)
    assert counts(one) == counts(two) == (0, 0, 0, 0)
    assert files(one) == files(two) and len(files(one)) == 6
    assert {run.run_id for run in run_list(two).runs} == set(runs)
    assert run_list(two).broken == {}
    assert study_list(two) == study_list(one) and len(study_list(one).studies) == 2
    assert len(note_list(one).notes) == 1
    assert not list(one.work.iterdir()) and not list(two.work.iterdir())
    assert place_id(one) == place_id(two)


def test_a_run_that_is_derived_again_is_replaced_everywhere(caches):
    one, two = caches
    put(one, "r", b"first")
    counts(one), counts(two)
    put(two, "r", b"derived again")
    assert counts(two) == (1, 0, 0, 0)
    assert counts(one) == (0, 1, 0, 0)
    assert files(one) == files(two) == {"runs/r.duckdb": b"derived again"}
    place = place_of(one)
    digest = hashlib.sha256(b"derived again").hexdigest()[:32]
    assert place.names("runs") == [f"r~2~{digest}.duckdb"]


def test_what_is_deleted_is_gone_everywhere_and_may_be_made_anew(caches):
    one, two = caches
    _, (run_id, other) = publish_small_phantom(one)
    whole = run_path(one, run_id).read_bytes()
    note = publish_note(one, About("prompt", "s@1", "", "warmth", "default", None, 7), "seen")
    counts(one), counts(two)
    delete_run(two, run_id)
    delete_note(two, note.name)
    assert counts(two) == (0, 0, 0, 0)
    assert counts(one) == (0, 0, 2, 0)
    assert [run.run_id for run in run_list(one).runs] == [other] and not note_list(one).notes
    assert place_of(one).names("notes") == [f"{note.name}~2~deleted"]
    # A cache that was away all the time and had it learns of it too; one that makes it anew keeps
    # it.
    put(one, run_id, whole)
    assert counts(one) == (1, 0, 0, 0)
    assert counts(two) == (0, 1, 0, 0)
    assert files(one) == files(two)


def test_a_file_that_is_lost_here_is_fetched_again(caches):
    one, two = caches
    put(one, "r")
    counts(one), counts(two)
    run_path(one, "r").unlink()  # not by Steerscope
    assert counts(one) == (0, 1, 0, 0)
    (one.cache / shared.NAME).unlink()  # and what is known of the place
    assert counts(one) == (0, 0, 0, 0)
    assert counts(two) == (0, 0, 0, 0)
    assert files(one) == files(two) == {"runs/r.duckdb": b"a run"}


def test_two_files_of_one_name_are_both_kept(caches, caplog):
    one, two = caches
    put(one, "r", b"of one")
    put(two, "r", b"of two")
    put(two, "other", b"same")
    put(one, "other", b"same")
    assert counts(one) == (2, 0, 0, 0)
    assert counts(two) == (0, 1, 0, 1)
    assert files(one) == files(two)
    assert run_path(two, "r").read_bytes() == b"of one"
    (aside,) = (two.cache / "aside" / "runs").iterdir()
    assert aside.read_bytes() == b"of two"
    assert "is another file in the shared place" in caplog.text
    assert counts(two) == (0, 0, 0, 0)


def test_two_first_files_of_one_moment_are_both_kept(caches):
    one, _ = caches

    def digest(content):
        return hashlib.sha256(content).hexdigest()[:32]

    own, others = sorted((b"of one", b"of two"), key=digest)
    put(one, "r", own)
    counts(one)
    # As another cache that listed before this one had published.
    place_of(one).put("runs", f"r~1~{digest(others)}.duckdb", io.BytesIO(others))
    assert counts(one)[3] == 1
    assert run_path(one, "r").read_bytes() == others
    (aside,) = (one.cache / "aside" / "runs").iterdir()
    assert aside.read_bytes() == own


def test_of_two_revisions_of_one_moment_every_cache_takes_the_same(caches, url):
    one, two = caches
    put(one, "r", b"first")
    counts(one), counts(two)
    third = dataclasses.replace(one, cache=one.cache.with_name("three"))
    third.make_folders()
    digests = {}
    for content in (b"of one", b"of two"):  # as two who listed before either had published
        digest = hashlib.sha256(content).hexdigest()[:32]
        digests[digest] = content
        place_of(one).put("runs", f"r~2~{digest}.duckdb", io.BytesIO(content))
    for settings in (one, two, third):
        assert counts(settings)[1] == 1
        assert files(settings) == {"runs/r.duckdb": digests[max(digests)]}


def test_a_damaged_file_is_told_and_holds_up_no_other(caches):
    one, two = caches
    place = place_of(one)
    place.put("runs", f"bad~1~{'0' * 32}.duckdb", io.BytesIO(b"not what its name says"))
    put(one, "r")
    done = exchange(one)
    assert done.published == 1 and len(done.failed) == 1
    assert "runs/bad of the shared place is not what was published" in done.failed[0]
    assert not run_path(one, "bad").exists() and not list(one.work.iterdir())
    with pytest.raises(StoreError, match="not what was published"):
        share(two, "runs", "bad")
    share(two, "runs", "r")
    share(two, "runs", "nowhere")
    assert files(two) == {"runs/r.duckdb": b"a run"}


def test_names_that_no_file_of_a_kind_has_are_not_fetched(caches):
    one, two = caches
    digest = hashlib.sha256(b"x").hexdigest()[:32]
    place = place_of(one)
    for name in (f"..~1~{digest}.duckdb", "r.duckdb", "r~x~deleted", f"r~a~1~{digest}.duckdb"):
        place.put("runs", name, io.BytesIO(b"x"))
    for kind, name in (("notes", "readme"), ("doses", "20260131"), ("vectors", "Of-Capitals")):
        suffix = shared.KINDS[kind].suffix
        place.put(kind, f"{name}~1~{digest}{suffix}", io.BytesIO(b"x"))
    done = exchange(two)
    assert (done.fetched, files(two)) == (0, {})
    told = {text.split(" is left")[0] for text in done.failed}
    # Of a folder, files that begin with a dot are not listed at all.
    assert told - {"'..' of runs"} == {
        "'20260131' of doses",
        "'Of-Capitals' of vectors",
        "'r~a' of runs",
        "'readme' of notes",
    }


def test_what_is_too_large_is_left_where_it_is(caches, monkeypatch):
    one, two = caches
    note = publish_note(one, About("prompt", "s@1", "", "warmth", "default", None, 7), "seen")
    put(one, "r", b"a run of some bytes")
    counts(one)
    size = (one.notes / f"{note.name}.json").stat().st_size
    small = {
        name: dataclasses.replace(kind, most_bytes=size - 1 if name == "notes" else kind.most_bytes)
        for name, kind in shared.KINDS.items()
    }
    with monkeypatch.context() as patched:
        patched.setattr(shared, "KINDS", small)
        patched.setattr(shared, "_ROOM_BYTES", 2**62)
        done = exchange(two)
        assert done.fetched == 0 and files(two) == {} and not list(two.work.iterdir())
        large, room = done.failed
        assert f"{size:,} bytes" in large and f"at most {size - 1:,}" in large
        assert "no room for r~1~" in room
        with pytest.raises(NoRoom, match="make room"):
            share(two, "runs", "r")
        # Nor does a cache publish what no other would take.
        other = publish_note(two, note.about, "seen too")
        with pytest.raises(StoreError, match="at most"):
            share(two, "notes", other.name)
    assert counts(two) == (1, 2, 0, 0)


def test_a_file_that_grows_while_it_is_read_is_not_taken(tmp_path):
    (tmp_path / "runs").mkdir()
    source = tmp_path / "runs" / "r"
    source.write_bytes(b"12345")
    place, target = FolderPlace(tmp_path), tmp_path / "target"
    assert place.fetch("runs", "r", target, 5) and target.read_bytes() == b"12345"
    with pytest.raises(StoreError, match="has 5 bytes"):
        place.fetch("runs", "r", target, 4)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fstat", lambda _: os.stat_result([0] * 6 + [3] + [0] * 3))
        with pytest.raises(StoreError, match="bytes"):
            place.fetch("runs", "r", target, 100)
    assert len(target.read_bytes()) <= 3


def test_who_may_change_nothing_only_fetches(caches):
    one, two = caches
    put(one, "r", b"of one")
    put(two, "r", b"of two")
    put(two, "own")
    counts(one)
    looking = dataclasses.replace(two, read_only=True)
    put(one, "new")
    counts(one)
    assert counts(looking) == (0, 1, 0, 0)
    assert run_path(two, "r").read_bytes() == b"of two"
    assert len(place_of(one).names("runs")) == 2


def test_an_empty_place_where_there_was_one_is_not_filled_anew(caches, url, tmp_path):
    one, _ = caches
    put(one, "r")
    counts(one)
    place_of(one).remove("", [shared.MARKER])
    with pytest.raises(SharedAway, match="is empty, and this cache knows one"):
        exchange(one)
    with pytest.raises(SharedAway, match="is empty"):
        share(one, "runs", "r")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    moved = dataclasses.replace(one, shared=str(elsewhere))
    assert counts(moved) == (1, 0, 0, 0)


def test_a_place_that_cannot_be_asked_loses_nothing(tmp_path, server):
    gone = Settings(cache=tmp_path / "cache", shared=str(tmp_path / "not mounted"))
    gone.make_folders()
    _, (run_id, _) = publish_small_phantom(gone)
    with pytest.raises(SharedAway, match="is not there"):
        exchange(gone)
    with pytest.raises(SharedAway):
        delete_run(gone, run_id)
    assert run_path(gone, run_id).exists()
    with pytest.raises(SharedAway, match=r"cannot be used now: .*NoSuchBucket"):
        exchange(dataclasses.replace(gone, shared="s3://no-such-bucket/x"))
    with pytest.raises(SteerscopeError, match="names no shared place"):
        exchange(dataclasses.replace(gone, shared="http://x/y"))
    assert exchange(dataclasses.replace(gone, shared="")) is None


def test_a_folder_that_fills_up_holds_nothing_half(tmp_path, monkeypatch):
    folder = tmp_path / "shared"
    folder.mkdir()
    settings = Settings(cache=tmp_path / "cache", shared=str(folder))
    settings.make_folders()
    put(settings, "r")

    def full(source, target, length):
        target.write(source.read(3))
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfileobj", full)
        with pytest.raises(SharedAway, match="No space left on device"):
            exchange(settings)
    assert list((folder / "runs").iterdir()) == []
    assert counts(settings) == (1, 0, 0, 0)


def test_what_a_dead_writer_left_goes_after_a_day(tmp_path):
    (tmp_path / "runs").mkdir()
    old, new = tmp_path / "runs" / ".old.part", tmp_path / "runs" / ".new.part"
    for part in (old, new):
        part.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert FolderPlace(tmp_path).names("runs") == []
    assert new.exists() and not old.exists()
