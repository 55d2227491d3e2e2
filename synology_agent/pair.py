"""A certificate as files: leaf, chain and key, in the agent's own folders and as DSM keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .certificates import X509, read_pem
from .files import private_folder, write_private

if TYPE_CHECKING:
    from .document import Certificate

FILES = ("cert.pem", "chain.pem", "fullchain.pem", "privkey.pem")
# DSM 7.3 keeps its own certificates twice, without a cert.pem (measured on 7.3-86009).
_DUAL = ("RSA-", "ECC-")


class Pair(NamedTuple):
    """The files of a certificate, where DSM's commands can read them.

    Attributes:
        leaf: PEM file.
        chain: PEM file of the intermediates, or None for a self-signed leaf.
        full_chain: PEM file, leaf first.
        private_key: PEM file.
        fingerprint: SHA-256 of the leaf.
    """

    leaf: Path
    chain: Path | None
    full_chain: Path
    private_key: Path
    fingerprint: str

    def contents(self) -> dict[str, bytes]:
        """Return the four files of DSM's single layout, by name."""
        chain = self.chain.read_bytes() if self.chain else b""
        leaf = self.leaf.read_bytes()
        return dict(zip(FILES, (leaf, chain, leaf + chain, self.private_key.read_bytes())))


def stage(certificate: Certificate, folder: Path) -> Pair:
    """Write the certificate's files into `folder`, 0600 in 0700."""
    private_folder(folder)
    texts = (
        certificate.leaf,
        certificate.chain,
        certificate.leaf + certificate.chain,
        certificate.private_key,
    )
    for name, text in zip(FILES, texts):
        write_private(folder / name, text.encode())
    return read_pair(folder)


def read_pair(folder: Path) -> Pair:
    """Return the pair whose files stand in `folder`; of a dual one, its RSA half.

    Raises:
        OSError: a file is missing.
        ValueError: there is no certificate in it.
    """
    prefix = _DUAL[0] if is_dual(folder) else ""
    chain = folder / (prefix + "chain.pem")
    leaf = folder / (prefix + "cert.pem")
    return Pair(
        leaf=leaf,
        chain=chain if chain.exists() and chain.stat().st_size else None,
        full_chain=folder / (prefix + "fullchain.pem"),
        private_key=folder / (prefix + "privkey.pem"),
        fingerprint=read_leaf(leaf).fingerprint,
    )


def is_dual(folder: Path) -> bool:
    """Tell whether `folder` is in DSM 7.3's dual layout, in which a cert.pem counts for nothing."""
    return any((folder / (prefix + "cert.pem")).exists() for prefix in _DUAL)


def read_leaf(path: Path) -> X509:
    """Return the first certificate in a PEM file.

    Raises:
        OSError: it cannot be read.
        ValueError: there is no certificate in it.
    """
    found = read_pem(path.read_text(encoding="ascii", errors="replace"))
    if not found:
        raise ValueError(f"no certificate in {path}")
    return found[0]


def leaves(folder: Path) -> list[X509]:
    """Return the leaves that an entry's or a copy's folder serves: one, two in the dual layout, or none."""
    names = [prefix + "cert.pem" for prefix in _DUAL] if is_dual(folder) else ["cert.pem"]
    found = []
    for name in names:
        try:
            found.append(read_leaf(folder / name))
        except (OSError, ValueError):
            continue
    return found


def holds(folder: Path, fingerprint: str) -> bool:
    """Tell whether the folder serves the leaf with this fingerprint."""
    return fingerprint in [leaf.fingerprint for leaf in leaves(folder)]
