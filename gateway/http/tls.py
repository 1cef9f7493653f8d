"""TLS for the listeners."""

from __future__ import annotations

import ssl
from pathlib import Path


class TlsError(Exception):
    """The certificate and the key are not usable. The message is one line for the operator."""


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 or newer with this certificate chain and private key (PEM). Raises TlsError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        # A key that needs a passphrase must fail: without one, OpenSSL would ask on the terminal.
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error)
        raise TlsError(
            f"tls_cert {certificate} and tls_key {key} cannot be used: {reason}; "
            "give a PEM certificate chain and its private key without a passphrase."
        ) from error
    return context
