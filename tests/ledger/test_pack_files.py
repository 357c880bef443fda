"""The verifier as it is run: on folders and archives, by its command, with nothing installed but `cryptography`."""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.pack import verify
from tests.ledger.forge import CONTACT, CUSTOMER, KEY, PACK, Forge, event

VKEY = str(KEY.verifier)
FORGE = Forge([event(n, {CUSTOMER: {"payload": {"n": n}}, CONTACT: {"payload": {"name": "王芳"}}}) for n in (1, 2, 3)])
FILES = FORGE.files(earlier=4, disclosed=[1])
FIRST = next(iter(FORGE.places))


def in_folder(folder: Path, files: Mapping[str, bytes] = FILES) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def in_archive(path: Path, files: Mapping[str, bytes] = FILES) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


Told = Callable[..., tuple[int, str, str]]


@pytest.fixture
def told(capsysbinary: pytest.CaptureFixture[bytes]) -> Told:
    """The command's exit code and what it printed."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = verify.main([str(argument) for argument in arguments])
        captured = capsysbinary.readouterr()
        return code, captured.out.decode(), captured.err.decode()

    return run


# --- folders and archives ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [in_folder, lambda folder: in_archive(folder / "pack.zip")])
def test_a_folder_and_an_archive_are_read_alike(tmp_path: Path, told: Told, pack: Callable[[Path], Path]) -> None:
    code, out, _ = told(pack(tmp_path), "--key", VKEY)
    assert code == 0
    assert "HOLDS: all 3 events" in out


def test_the_document_has_every_finding(tmp_path: Path, told: Told) -> None:
    in_folder(tmp_path, {**FILES, "extra": b""})
    code, out, _ = told(tmp_path, "--key", VKEY, "--json")
    document = json.loads(out)
    assert code == 5
    assert document["findings"] == [{"verdict": "unexpected", "place": "extra", "detail": "is no file of such a pack"}]
    assert (document["holds"], document["events"], document["key_was_known"]) == (False, 3, True)


def test_a_link_is_not_followed(tmp_path: Path, told: Told) -> None:
    in_folder(tmp_path)
    (tmp_path / f"payload/{FIRST}.0.ct").rename(tmp_path.parent / "elsewhere")
    (tmp_path / f"payload/{FIRST}.0.ct").symlink_to(tmp_path.parent / "elsewhere")
    code, out, _ = told(tmp_path)
    assert code == 4
    assert f"MISSING    payload/{FIRST}.0.ct" in out


def test_a_link_to_nowhere_and_a_pipe_are_named(tmp_path: Path, told: Told) -> None:
    in_folder(tmp_path)
    (tmp_path / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    code, out, _ = told(tmp_path)
    assert code == 5
    assert "link: is no ordinary file" in out
    assert "pipe: is no ordinary file" in out


def test_a_name_that_is_not_unicode_is_named(tmp_path: Path, told: Told) -> None:
    in_folder(tmp_path)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\x1b")).write_bytes(b"")
    code, out, _ = told(tmp_path)
    assert code == 5
    assert "\\udcff\\x1b" in out


def test_an_empty_folder_misses_everything(tmp_path: Path, told: Told) -> None:
    code, out, _ = told(tmp_path)
    assert code == 4
    assert "manifest.json: is not there" in out


def test_a_file_twice_in_an_archive_is_named(tmp_path: Path, told: Told) -> None:
    path = in_archive(tmp_path / "pack.zip")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("policy", b"another")
    code, out, _ = told(path)
    assert code == 5
    assert "policy: stands in the archive twice" in out


def test_an_archive_that_would_unpack_to_gigabytes_is_not_unpacked(tmp_path: Path, told: Told) -> None:
    path = in_archive(tmp_path / "pack.zip", {**FILES, "README.md": b" " * (65 * 1024 * 1024)})
    code, out, _ = told(path)
    assert code == 1
    assert "README.md: is larger than any such file" in out


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_changed_byte_of_an_archive_is_reported_or_harmless(tmp_path: Path, data: st.DataObject) -> None:
    path = in_archive(tmp_path / "pack.zip")
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(content))
    if run_quietly(path) == 0:
        with zipfile.ZipFile(path) as archive:
            assert {name: archive.read(name) for name in archive.namelist()} == FILES


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_an_archive_that_was_cut_short_is_reported(tmp_path: Path, data: st.DataObject) -> None:
    path = in_archive(tmp_path / "pack.zip")
    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    assert run_quietly(path) != 0


def run_quietly(path: Path) -> int:
    """The exit code alone."""
    before, errors_before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    try:
        return verify.main([str(path), "--key", VKEY])
    finally:
        sys.stdout, sys.stderr = before, errors_before


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nowhere"], "cannot be read"),
        (["{pack}/policy"], "neither a folder nor a zip file"),
        (["{pack}", "--key", "nothing"], "--key"),
        (["{pack}", "--key", VKEY[:-2] + "A="], "--key"),
        (["{pack}", "--checkpoint", "nowhere"], "--checkpoint nowhere cannot be read"),
    ],
)
def test_what_makes_no_sense_is_told_in_a_line(
    tmp_path: Path, told: Told, arguments: list[str], complaint: str
) -> None:
    in_folder(tmp_path)
    code, out, err = told(*(argument.replace("{pack}", str(tmp_path)) for argument in arguments))
    assert (code, out) == (2, "")
    assert complaint in err
    assert len(err.splitlines()) == 1


def test_a_kept_checkpoint_comes_from_a_file(tmp_path: Path, told: Told) -> None:
    in_folder(tmp_path / "pack")
    (tmp_path / "kept").write_bytes(FORGE.log.note(4))
    code, out, _ = told(tmp_path / "pack", "--key", VKEY, "--checkpoint", tmp_path / "kept")
    assert code == 0
    assert "the log of 4 entries is a beginning of it" in out


def test_the_verifier_imports_nothing_but_the_standard_library_and_cryptography() -> None:
    tree = ast.parse((PACK / "verify.py").read_text())
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names | {"cryptography"}


def test_it_runs_where_nothing_is_installed_but_cryptography(tmp_path: Path) -> None:
    """No site-packages, no environment; only that library and what it needs itself can be found."""
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    for name in ("cryptography", "cffi", "_cffi_backend"):
        if (found := find_spec(name)) is not None and found.origin is not None:
            origin = Path(found.origin)
            source = origin.parent if origin.name == "__init__.py" else origin
            (libraries / source.name).symlink_to(source)
    pack = in_folder(tmp_path / "pack")
    path = "import runpy, sys; sys.path.append(sys.argv[1]); del sys.argv[:2]"
    run = f"{path}; runpy.run_path(sys.argv[0], None, '__main__')"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", run, str(libraries), str(pack / "verify.py"), str(pack), "--key", VKEY],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "HOLDS: all 3 events" in done.stdout


def test_it_checks_the_folder_that_it_stands_in(tmp_path: Path) -> None:
    pack = in_folder(tmp_path / "pack")
    done = subprocess.run(
        [sys.executable, str(pack / "verify.py")], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in pack.iterdir()} == {name.partition("/")[0] for name in FILES}
