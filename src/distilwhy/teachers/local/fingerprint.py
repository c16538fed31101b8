"""Fingerprints of models on disk."""

from hashlib import sha256
from pathlib import Path

_READ = (".json", ".model", ".txt", ".jinja", ".safetensors", ".bin")
BLOCK = 2**16
BLOCKS = 64


def read_fingerprint(place: Path) -> str:
    """The SHA-256 of a model's files. It does not depend on where they are.

    Large files are represented by their size and 64 blocks of 64 KiB, spread from the first to the
    last byte: enough to detect any training, without reading gigabytes.

    Args:
        place: The model's folder, or its GGUF file.

    Raises:
        OSError: if a file cannot be read.
    """
    digest = sha256()
    for path in sorted(place.iterdir()) if place.is_dir() else [place]:
        if path == place or (path.suffix in _READ and path.is_file()):
            digest.update(f"{path.name} {path.stat().st_size}\n".encode())
            digest.update(_read_some(path))
    return digest.hexdigest()


def _read_some(path: Path) -> bytes:
    size = path.stat().st_size
    if size <= BLOCK * BLOCKS:
        return path.read_bytes()
    with path.open("rb") as file:
        blocks = []
        for block in range(BLOCKS):
            file.seek(block * (size - BLOCK) // (BLOCKS - 1))
            blocks.append(file.read(BLOCK))
    return b"".join(blocks)
