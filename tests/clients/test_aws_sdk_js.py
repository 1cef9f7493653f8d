from __future__ import annotations

from pathlib import Path

from tests.clients.client import Library
from tests.clients.suite import Suite
from tests.services import clients


class AwsSdkJs(Library):
    program = "aws_sdk_js.mjs"

    def configure(self) -> None:
        self.environment["NODE_MODULES"] = str(clients.node_modules())
        if self.endpoint.ca_file:
            self.environment["NODE_EXTRA_CA_CERTS"] = str(self.endpoint.ca_file)

    def command(self) -> tuple[object, ...]:
        return clients.node(), Path(__file__).parent / "programs" / self.program


class TestAwsSdkJs(Suite):
    client = AwsSdkJs
