"""Folders appear whole or not at all, once, whoever asks and however it ends."""

import threading
from pathlib import Path

import pytest

from toolchain.cache import Cache, digest, tree_digest, write_whole


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path)


def test_made_once(cache: Cache) -> None:
    made: list[Path] = []

    def fill(work: Path) -> None:
        made.append(work)
        (work / "file").write_text("whole")

    first = cache.make("kind", "key", fill)
    assert cache.make("kind", "key", fill) == first == cache.entry("kind", "key")
    assert len(made) == 1
    assert (first / "file").read_text() == "whole"
    assert list(cache.scratch.iterdir()) == []


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_nothing_half_made_is_left(cache: Cache, error: BaseException) -> None:
    def fill(work: Path) -> None:
        (work / "file").write_text("half")
        raise error

    with pytest.raises(type(error)):
        cache.make("kind", "key", fill)
    assert not cache.entry("kind", "key").exists()
    assert list(cache.scratch.iterdir()) == []


def test_second_waits_for_the_first(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    order: list[str] = []
    waiting = threading.Event()

    def second() -> None:
        waiting.set()
        with cache.locked():
            order.append("second")

    with cache.locked():
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_lock_sweeps_what_a_killed_setup_left(cache: Cache) -> None:
    (cache.scratch / "engine-x").mkdir(parents=True)
    with cache.locked():
        assert list(cache.scratch.iterdir()) == []


def test_user_folder() -> None:
    assert Cache.of_user({"XDG_CACHE_HOME": "/x"}).root == Path("/x/maas-ha")
    assert Cache.of_user({}).root == Path.home() / ".cache/maas-ha"
    assert Cache.of_user({"XDG_CACHE_HOME": "relative"}).root == Path.home() / ".cache/maas-ha"


def test_digest_tells_parts_apart() -> None:
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("a") == digest(b"a")


def test_tree_digest_sees_names_and_contents(tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.write_text("x")
    before = tree_digest(tmp_path, [one])
    two = one.rename(tmp_path / "two")
    renamed = tree_digest(tmp_path, [two])
    two.write_text("y")
    assert len({before, renamed, tree_digest(tmp_path, [two])}) == 3


def test_write_whole_replaces(tmp_path: Path) -> None:
    target = tmp_path / "file"
    write_whole(target, "one")
    write_whole(target, "two")
    assert target.read_text() == "two"
    assert list(tmp_path.iterdir()) == [target]
