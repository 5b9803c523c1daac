"""nginx and Caddy with the example configurations of `docs/deploy/`, on a loopback port and with a new certificate."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from project.processes import ROOT

FOLDER: Final = ROOT / "docs" / "deploy"
HOST: Final = "login.example.com"
"""The host name in the configurations."""


def write_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = (
        builder.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    )
    (folder / "cert.pem").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(pem)


def nginx(folder: Path, *, port: int, upstream: int) -> list[str]:
    """Write the configuration into the folder, and return the command."""
    text = (FOLDER / "nginx.conf").read_text()
    text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl").replace(
        "127.0.0.1:8000", f"127.0.0.1:{upstream}"
    )
    text = text.replace("/etc/ssl/login.example.com.pem", f"{folder}/cert.pem")
    text = text.replace("/etc/ssl/private/login.example.com.key", f"{folder}/key.pem")
    paths = "".join(
        f"{each}_temp_path {folder}/{each};" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root; " if os.geteuid() == 0 else ""  # bodies are buffered in this folder
    start = f"{user}daemon off; pid {folder}/pid; error_log {folder}/log; events {{}}"
    main = f"{start} http {{ access_log {folder}/access.log; {paths}\n{text}}}"
    (folder / "main.conf").write_text(main)
    return ["nginx", "-e", f"{folder}/log", "-p", str(folder), "-c", f"{folder}/main.conf"]


def caddy(folder: Path, *, port: int, upstream: int) -> list[str]:
    """Write the configuration into the folder, and return the command."""
    text = (FOLDER / "Caddyfile").read_text().replace("127.0.0.1:8000", f"127.0.0.1:{upstream}")
    text = text.replace("{\n\tservers", "{\n\tadmin off\n\tauto_https off\n\tservers", 1)
    text = text.replace(
        f"\n{HOST} {{", f"\nhttps://{HOST}:{port} {{\n\tbind 127.0.0.1\n\ttls {folder}/cert.pem {folder}/key.pem"
    )
    (folder / "Caddyfile").write_text(text)
    return ["caddy", "run", "--config", f"{folder}/Caddyfile", "--adapter", "caddyfile"]
