"""nginx: WebDAV PUT and static GET. It neither checks who asks, nor hashes, nor waits for the disk."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from typing import ClassVar

from bench.peers.server import HOST, Dialect, Server
from bench.request import Body, Request

_CONFIGURATION = """\
{user}
daemon off;
worker_processes auto;
worker_rlimit_nofile 8192;
pid {directory}/pid;
error_log {directory}/errors;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    # The default, 16 KiB, costs large bodies a third of their rate.
    client_body_buffer_size 1m;
    client_body_temp_path {directory}/bodies;
    proxy_temp_path {directory}/unused;
    fastcgi_temp_path {directory}/unused;
    uwsgi_temp_path {directory}/unused;
    scgi_temp_path {directory}/unused;
    server {{
        listen {host}:{port} reuseport backlog=1024;
        root {directory}/files;
        location / {{
            dav_methods PUT DELETE;
            create_full_put_path on;
        }}
    }}
}}
"""


class Nginx(Server):
    name: ClassVar[str] = "nginx"
    program: ClassVar[str] = "nginx"

    def version(self) -> str:
        done = subprocess.run([self.program, "-v"], check=True, capture_output=True, text=True)
        return done.stderr.strip().rpartition("/")[2]

    def command(self) -> list[str]:
        (self.directory / "files").mkdir()
        configuration = self.directory / "nginx.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                # Workers of a root master would otherwise change to a user who may not enter the directory.
                user="user root;" if os.geteuid() == 0 else "",
                directory=self.directory,
                host=HOST,
                port=self.port,
            )
        )
        return [self.program, "-e", str(self.directory / "errors"), "-c", str(configuration)]

    @property
    def dialects(self) -> Sequence[Dialect]:
        return (_Plain(),)


class _Plain:
    name = ""

    def put(self, key: str, body: Body) -> Request:
        return Request.of("PUT", f"/{key}", [("Host", HOST), ("Content-Length", str(body.size))], body)

    def get(self, key: str) -> Request:
        return Request.of("GET", f"/{key}", [("Host", HOST)])

    def list_page(self, after: str) -> Request | None:  # noqa: ARG002 - a directory listing is no page of keys
        return None
