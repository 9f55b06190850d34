"""Who may talk to an API server: its certificates, its users with their tokens, and a kubeconfig file for each."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import trustme
import yaml

LOOPBACK = "127.0.0.1"
NODE = "local"


@dataclass(frozen=True, slots=True)
class User:
    """A user as the API server knows it."""

    name: str
    groups: Sequence[str] = ()
    token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)


def users() -> dict[str, User]:
    """Return the users by their short names. "guest" may do nothing until a test binds it to a role."""
    return {
        "admin": User("admin", ["system:masters"]),
        "guest": User("guest"),
        "controller-manager": User("system:kube-controller-manager"),
        "scheduler": User("system:kube-scheduler"),
        "node": User(f"system:node:{NODE}", ["system:nodes"]),
    }


class Identities:
    """The files of identities below one folder, which only its owner can read."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._users = users()
        self.authority = folder / "authority.pem"
        authority = trustme.CA(organization_name="clusters")
        authority.cert_pem.write_to_path(self.authority)
        for name, leaf in {
            "api-server": authority.issue_cert(LOOPBACK, "localhost"),
            # With this one the API server asks kubelets for logs.
            "api-client": authority.issue_cert(
                "api-client", common_name="api-client", organization_name="system:masters"
            ),
            "kubelet": authority.issue_cert(LOOPBACK, "localhost", NODE),
            "service-accounts": authority.issue_cert("service-accounts"),
        }.items():
            leaf.private_key_pem.write_to_path(self.key(name))
            self.certificate(name).write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
        self.tokens = folder / "tokens.csv"
        self.tokens.write_text(
            "".join(
                f'{user.token},{user.name},{user.name},"{",".join(user.groups)}"\n' for user in self._users.values()
            )
        )

    def certificate(self, name: str) -> Path:
        return self._folder / f"{name}.pem"

    def key(self, name: str) -> Path:
        return self._folder / f"{name}.key"

    def kubeconfig(self, user: str) -> Path:
        return self._folder / f"{user}.kubeconfig"

    def write_kubeconfigs(self, url: str) -> None:
        for name, user in self._users.items():
            content = {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [
                    {"name": "local", "cluster": {"server": url, "certificate-authority": str(self.authority)}}
                ],
                "users": [{"name": name, "user": {"token": user.token}}],
                "contexts": [{"name": "local", "context": {"cluster": "local", "user": name}}],
                "current-context": "local",
            }
            self.kubeconfig(name).write_text(yaml.safe_dump(content))
