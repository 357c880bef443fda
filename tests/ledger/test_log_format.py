"""docs/log-format.md: its example, recomputed by what the page says and without our code; then by our code."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from eventsourcing.persistence import StoredEvent

from domain.events.privacy import RECORDS_SUBJECT
from ledger import cipher, codec, merkle
from ledger.checkpoint import Checkpoint, opened
from ledger.frame import framed
from ledger.notes import SigningKey, VerifierKey, new_note
from ledger.plain import to_plain
from ledger.tiles import tiles_of
from tests.ledger.examples import EXAMPLES

_PAGE: Final = (Path(__file__).parents[2] / "docs" / "log-format.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    (block,) = re.findall(r"```json\n(.*?)```", _PAGE, re.DOTALL)
    content: dict[str, Any] = json.loads(block)
    return content


def base64(value: bytes) -> str:
    return b64encode(value).decode()


def test_what_stands_in_an_entry_is_on_the_page() -> None:
    members = {member for event in EXAMPLES.values() for member in to_plain(event).entry}
    named = {name for row in re.findall(r"^\| (`.+?) \|", _PAGE, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert "erases" in members
    assert members <= named
    assert f"`{RECORDS_SUBJECT}`" in _PAGE


# --- as the page says it --------------------------------------------------------------------------------------------


def test_the_part_is_encrypted_as_the_page_says(example: dict[str, Any]) -> None:
    salt, data_key = b64decode(example["salt"]), bytes.fromhex(example["data_key"])
    event_key = HKDF(SHA256(), 32, salt, b"dossier/v1 event key").derive(data_key)
    place = UUID(example["stream"]).bytes + example["version"].to_bytes(8) + example["part"].to_bytes(2)
    ciphertext = AESGCM(event_key).encrypt(bytes(12), example["plaintext"].encode(), place)
    assert example["event_key"] == event_key.hex()
    assert example["key"] == base64(sha256(b"dossier/v1 key commitment\n" + event_key).digest())
    assert example["additional_data"] == place.hex()
    assert example["ciphertext"] == base64(ciphertext)
    assert example["ct"] == base64(sha256(ciphertext).digest())


def test_the_entry_commits_to_the_part(example: dict[str, Any]) -> None:
    entry = json.loads(example["entries"][0])
    assert entry["parts"] == [{name: example[name] for name in ("salt", "key", "ct")}]
    assert (entry["stream"], entry["version"]) == (example["stream"], example["version"])
    assert json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False) == example["entries"][0]
    assert entry.keys() <= set(re.findall(r"`(\w+)`", _PAGE))


def test_the_tree_is_that_of_the_entries(example: dict[str, Any]) -> None:
    def node(left: bytes, right: bytes) -> bytes:
        return sha256(b"\x01" + left + right).digest()

    first, second, third = (sha256(b"\x00" + entry.encode()).digest() for entry in example["entries"])
    assert example["leaves"] == [base64(leaf) for leaf in (first, second, third)]
    assert example["root_of_2"] == base64(node(first, second))
    assert example["root_of_3"] == base64(node(node(first, second), third))
    assert example["inclusion_of_0_in_3"] == [base64(second), base64(third)]
    assert example["consistency_from_2_to_3"] == [base64(third)]


def test_the_checkpoint_is_signed_as_the_page_says(example: dict[str, Any]) -> None:
    name, key_id, encoded = example["signing_key"].removeprefix("PRIVATE+KEY+").split("+", 2)
    private = Ed25519PrivateKey.from_private_bytes(b64decode(encoded)[1:])
    public = b"\x01" + private.public_key().public_bytes_raw()
    assert key_id == sha256(name.encode() + b"\n" + public).digest()[:4].hex()
    assert example["verifier_key"] == f"{name}+{key_id}+{base64(public)}"
    text = f"{name}\n3\n{example['root_of_3']}\n"
    head, _, line = example["checkpoint"].partition("\n\n")
    dash, signer, signature = line.removesuffix("\n").split(" ")
    assert (f"{head}\n", dash, signer) == (text, "—", name)
    assert b64decode(signature)[:4].hex() == key_id
    Ed25519PublicKey.from_public_bytes(public[1:]).verify(b64decode(signature)[4:], text.encode())


def test_the_tiles_of_a_long_log_are_as_the_page_counts_them() -> None:
    (counted,) = re.findall(r"A log of 70 000 entries has (.*?)\.\s", _PAGE, re.DOTALL)
    numbers = [int(number) for number in re.findall(r"\d+", counted)]
    widths = [[tile.width for tile in tiles_of(70_000) if tile.level == level] for level in (0, 1, 2)]
    assert numbers == [widths[0].count(256), 0, widths[0][-1], 1, widths[1][-1], 2, widths[2][-1]]
    assert widths[1] == [256, 17]


# --- as we do it ----------------------------------------------------------------------------------------------------


def test_our_code_reads_the_part(example: dict[str, Any]) -> None:
    entry, ciphertext = example["entries"][0].encode(), b64decode(example["ciphertext"])
    stream = UUID(example["stream"])
    stored = StoredEvent(stream, 2, "customer.attribute-recorded", framed(entry, [(0, ciphertext)]))
    event = codec.decode(stored, {stream: bytes.fromhex(example["data_key"])})
    assert (event.envelope.actor.name_at_time, event.payload.model_dump()["value"]) == ("李娜", "gold")
    place = cipher.place_of(stream, 2, 0)
    sealed = cipher.seal(bytes.fromhex(example["data_key"]), b64decode(example["salt"]), orjson.dumps({}), place)
    assert base64(sealed.key_commitment) == example["key"]


def test_our_code_gives_the_same_roots_and_the_same_note(example: dict[str, Any]) -> None:
    frontier = merkle.Frontier()
    roots = []
    for entry in example["entries"]:
        frontier.append(merkle.leaf_hash(entry.encode()))
        roots.append(base64(frontier.root))
    assert roots[1:] == [example["root_of_2"], example["root_of_3"]]
    key = SigningKey.from_text(example["signing_key"])
    checkpoint = Checkpoint(key.name, 3, frontier.root)
    assert bytes(new_note(checkpoint.text, key)).decode() == example["checkpoint"]
    assert opened(example["checkpoint"].encode(), [VerifierKey.from_text(example["verifier_key"])]) == checkpoint
    leaves = [b64decode(leaf) for leaf in example["leaves"]]
    inclusion = [b64decode(each) for each in example["inclusion_of_0_in_3"]]
    merkle.verify_inclusion(leaves[0], 0, 3, inclusion, frontier.root)
    consistency = [b64decode(each) for each in example["consistency_from_2_to_3"]]
    merkle.verify_consistency(2, 3, consistency, b64decode(example["root_of_2"]), frontier.root)
