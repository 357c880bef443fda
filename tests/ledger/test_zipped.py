"""Archives written in constant memory are read by everybody's readers."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tracemalloc
import zipfile
from pathlib import Path
from tempfile import TemporaryFile
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.pack import verify
from ledger.pack.zipped import ZippedPack

CUSTOMER = UUID("01900000-0000-7000-8000-000000000001")
NAMES = st.from_regex(r"[a-z]{1,8}/[0-9]{1,9}\.(ct|json|key|erased)", fullmatch=True)


def packed(files: dict[str, bytes], events: int = 1) -> bytes:
    file = io.BytesIO()
    with ZippedPack(file) as pack:
        for name, content in files.items():
            pack.add(name, content)
        pack.finish(CUSTOMER, events)
    return file.getvalue()


@given(st.dictionaries(NAMES, st.binary(max_size=2000), max_size=8))
def test_the_standard_library_reads_what_was_added(files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(io.BytesIO(packed(files))) as archive:
        assert archive.testzip() is None
        *names, last = archive.namelist()
        assert ({name: archive.read(name) for name in names}, last) == (files, verify.MANIFEST)


@given(st.dictionaries(NAMES, st.binary(max_size=50), min_size=1, max_size=8), st.integers(0, 2**40))
def test_the_verifier_reads_the_manifest(files: dict[str, bytes], events: int) -> None:
    with zipfile.ZipFile(io.BytesIO(packed(files, events))) as archive:
        manifest = verify.manifest_in(archive.read(verify.MANIFEST))
    assert manifest.files is not None
    assert (manifest.customer, manifest.events, list(manifest.files)) == (str(CUSTOMER), events, list(files))


@pytest.mark.parametrize("files", [0, 1, 3])
def test_unzip_finds_nothing_wrong(tmp_path: Path, files: int) -> None:
    program = shutil.which("unzip")
    if program is None:
        pytest.skip("unzip is not installed")
    path = tmp_path / "pack.zip"
    path.write_bytes(packed({f"entries/{number}.json": b"{}" * number for number in range(files)}))
    done = subprocess.run([program, "-t", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No errors detected" in done.stdout


def test_more_files_than_an_old_archive_can_count_need_no_more_memory() -> None:
    tracemalloc.start()
    try:
        with TemporaryFile() as file, ZippedPack(file) as pack:
            for each in range(70_000):
                pack.add(f"entries/{each}.json", b"x")
            pack.finish(CUSTOMER, 70_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 1024 * 1024


def test_more_files_than_an_old_archive_can_count_are_read_back() -> None:
    files = {f"entries/{each}.ct": b"" for each in range(66_000)}
    with zipfile.ZipFile(io.BytesIO(packed(files))) as archive:
        assert len(archive.namelist()) == 66_001
        assert len(json.loads(archive.read(verify.MANIFEST))["files"]) == 66_000
