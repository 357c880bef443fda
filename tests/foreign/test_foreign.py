"""Our log before strangers' verifiers: Go's golang.org/x/mod/sumdb, and aics-tlog. What they refuse, we have got wrong.

Each is skipped where it cannot be had, and says what is missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from db.pool import connect
from ledger.publishing import publish
from ledger.tiles import Tile
from tests.ledger.signing import KEY, Signing

_HERE: Final = Path(__file__).parent
_GO_SOURCES: Final = Path("/usr/share/gocode")
_SUMDB: Final = _GO_SOURCES / "src/golang.org/x/mod/sumdb/tlog"
_PYTHONS: Final = ("python3.12", "python3.13", "python3.14")

Verify = Callable[[Path], subprocess.CompletedProcess[str]]
Record = Callable[[str, object], None]


@pytest.fixture(scope="session")
def go_verifier(tmp_path_factory: pytest.TempPathFactory) -> Verify:
    """A program on Go's own implementation."""
    if shutil.which("go") is None or not _SUMDB.is_dir():
        pytest.skip("no Go, or not its sumdb: apt-get install golang-go golang-golang-x-mod-dev")
    folder = tmp_path_factory.mktemp("go")
    environment = {"GO111MODULE": "off", "GOPATH": str(_GO_SOURCES), "GOCACHE": str(folder / "cache")}
    command = ["go", "build", "-o", str(folder / "verify"), str(_HERE / "verify.go")]
    subprocess.run(command, env=os.environ | environment, check=True, cwd=folder)
    return _verifier(str(folder / "verify"))


@pytest.fixture(scope="session")
def python_verifier() -> Verify:
    """An implementation in Python, which needs a newer one than ours."""
    for name in filter(None, (os.environ.get("DOSSIER_TEST_AICS_PYTHON"), *_PYTHONS)):
        python = shutil.which(name)
        if (
            python
            and not subprocess.run([python, "-c", "import aics_tlog"], capture_output=True, check=False).returncode
        ):
            return _verifier(python, str(_HERE / "audit.py"))
    pytest.skip(
        "no Python with aics-tlog: make a virtual environment of Python 3.12 or newer, install aics-tlog==0.2.1 "
        "into it, and name its interpreter in DOSSIER_TEST_AICS_PYTHON"
    )


@pytest.fixture(params=["go_verifier", "python_verifier"])
def verify(request: pytest.FixtureRequest) -> Verify:
    found: Verify = request.getfixturevalue(request.param)
    return found


def _verifier(*command: str) -> Verify:
    return lambda folder: subprocess.run(
        [*command, str(folder), str(KEY.verifier)], capture_output=True, text=True, check=False
    )


@pytest.fixture
def log(database: str, tmp_path: Path) -> Iterator[Signing]:
    log = Signing(database, tmp_path)
    yield log
    log.close()


def published(log: Signing, size: int) -> Path:
    """The log, grown to a size, signed and published."""
    log.grow_by(size - int(log.rows("SELECT count(*) FROM ledger.log")[0][0]))
    while log.sign().size < size:
        pass
    folder = log.folder / "published"
    with connect(log.database, "dossier_reader", autocommit=True) as connection:
        publish(connection, folder, KEY.verifier)
    return folder


def assert_accepted(answer: subprocess.CompletedProcess[str], size: int) -> None:
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith(f"accepted: {size} entries")


@pytest.mark.parametrize("size", [1, 255, 256, 257])
def test_a_log_is_accepted(verify: Verify, log: Signing, size: int, record_property: Record) -> None:
    answer = verify(published(log, size))
    assert_accepted(answer, size)
    record_property("said", answer.stdout.strip())


def test_a_long_log_is_accepted_and_so_is_what_it_grows_to(
    verify: Verify, log: Signing, record_property: Record
) -> None:
    for size in (65_536, 70_000):
        answer = verify(published(log, size))
        assert_accepted(answer, size)
        record_property("said", answer.stdout.strip())


def test_a_log_that_grew_is_accepted(verify: Verify, log: Signing) -> None:
    for size in (3, 300, 1000):
        assert_accepted(verify(published(log, size)), size)


# --- so that the check can fail -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tile", [Tile(0, 0), Tile(0, 2, 88), Tile(1, 0, 2), Tile(None, 0), Tile(None, 2, 88)], ids=lambda tile: tile.path
)
def test_a_damaged_tile_is_refused(verify: Verify, log: Signing, tile: Tile) -> None:
    path = published(log, 600) / tile.path
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    assert_refused(verify(log.folder / "published"))


@pytest.mark.parametrize("path", ["checkpoint", Tile(0, 1).path, Tile(None, 1).path])
def test_what_is_missing_is_noticed(verify: Verify, log: Signing, path: str) -> None:
    (published(log, 600) / path).unlink()
    assert verify(log.folder / "published").returncode != 0


@pytest.mark.parametrize("edit", [(b"600\n", b"599\n"), (KEY.name.encode(), b"dossier.test/gol")])
def test_a_checkpoint_that_was_edited_is_refused(verify: Verify, log: Signing, edit: tuple[bytes, bytes]) -> None:
    path = published(log, 600) / "checkpoint"
    path.write_bytes(path.read_bytes().replace(*edit, 1))
    assert_refused(verify(log.folder / "published"))


def assert_refused(answer: subprocess.CompletedProcess[str]) -> None:
    assert answer.returncode == 1
    assert answer.stderr.startswith("refused: ")
    assert answer.stdout == ""
