"""Private keys and their encodings. Imported late: it loads cryptography."""

from __future__ import annotations

from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from toolchain.plugins.bridged import DiagnosticError

Key: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
SigningHash: TypeAlias = hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None

CURVES: dict[str, type[ec.EllipticCurve]] = {
    "P224": ec.SECP224R1,
    "P256": ec.SECP256R1,
    "P384": ec.SECP384R1,
    "P521": ec.SECP521R1,
}
BAD_KEY = "Failed to parse private key PEM"


def generate(algorithm: str, rsa_bits: int, curve: str) -> Key:
    """A new key. Raises DiagnosticError for a size that cannot be made."""
    match algorithm:
        case "RSA":
            try:
                return rsa.generate_private_key(65537, rsa_bits)
            except ValueError as error:
                raise DiagnosticError("Unable to generate private key", f"rsaBits {rsa_bits}: {error}") from None
        case "ECDSA":
            return ec.generate_private_key(CURVES[curve]())
        case _:
            return ed25519.Ed25519PrivateKey.generate()


def load(pem: str) -> Key:
    """The private key in a PEM text. Raises DiagnosticError, which never holds the text."""
    if "-----BEGIN " not in pem:
        raise DiagnosticError(BAD_KEY, f"failed to decode PEM block: decoded bytes 0, undecoded {len(pem.encode())}")
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        raise DiagnosticError(BAD_KEY, "the key is encrypted") from None
    except (ValueError, UnsupportedAlgorithm):
        raise DiagnosticError(BAD_KEY, "it holds no readable private key") from None
    if not isinstance(key, Key):
        raise DiagnosticError(BAD_KEY, "it is no RSA, ECDSA or ED25519 key")
    return key


def algorithm_of(key: Key) -> str:
    """The name of a key's algorithm as the plugin's outputs have it."""
    match key:
        case rsa.RSAPrivateKey():
            return "RSA"
        case ec.EllipticCurvePrivateKey():
            return "ECDSA"
        case _:
            return "ED25519"


def signing_hash(key: Key) -> SigningHash:
    """The hash that a signature by this key is made with; ED25519 has its own."""
    match key:
        case ed25519.Ed25519PrivateKey():
            return None
        case ec.EllipticCurvePrivateKey() if key.curve.key_size > 384:
            return hashes.SHA512()
        case ec.EllipticCurvePrivateKey() if key.curve.key_size > 256:
            return hashes.SHA384()
        case _:
            return hashes.SHA256()


def has_openssh_form(key: Key) -> bool:
    """OpenSSH has no P224 keys."""
    return not (isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP224R1))


def private_pem(key: Key) -> str:
    """The key in its algorithm's own PEM form (PKCS#8 for ED25519, which has none)."""
    own = PrivateFormat.PKCS8 if isinstance(key, ed25519.Ed25519PrivateKey) else PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(Encoding.PEM, own, NoEncryption()).decode()


def private_pkcs8(key: Key) -> str:
    """The key as PKCS#8 PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def private_openssh(key: Key) -> str:
    """The key as an OpenSSH key file, or "" where OpenSSH has no such key."""
    if not has_openssh_form(key):
        return ""
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def public_openssh(key: Key) -> str:
    """The public key as a line of authorized_keys without comment, or "" where OpenSSH has no such key."""
    if not has_openssh_form(key):
        return ""
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() + "\n"


def public_pem(key: Key) -> str:
    """The public key as SubjectPublicKeyInfo in PEM."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def public_der(key: Key) -> bytes:
    """The public key as SubjectPublicKeyInfo in DER."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def trimmed(der: bytes) -> bytes:
    """DER without white space bytes at its ends: the official ids are hashes of that (plugin-contract FACTS 13)."""
    return der.strip(b"\t\n\v\f\r ")
