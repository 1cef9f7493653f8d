"""The page at `/` of the registry's port: what answers here, and where S3 is."""

from __future__ import annotations

from html import escape

from aiohttp import web

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>artifact-store</title>
<style>body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 40em; margin: 3em auto; padding: 0 1em }}</style>
<h1>artifact-store</h1>
<p>This is the registry's port. S3 clients go to <a href="{s3}"><code>{s3}</code></a>:</p>
<pre>aws --endpoint-url {s3} s3 ls</pre>
<ul>
<li><a href="/docs">/docs</a>: packages, retention, holds and audit over REST, under <code>/api/v1</code>
<li><a href="/health/ready">/health/ready</a>: do database and store work?
<li><a href="/health/live">/health/live</a>: does the server answer?
<li><a href="/metrics">/metrics</a>: counts and times, for Prometheus
</ul>
</html>
"""


def index(s3_scheme: str, s3_port: int) -> web.RouteDef:
    """The route. S3 is shown under the host name that the reader used."""

    async def page(request: web.Request) -> web.Response:
        host = request.url.host or "127.0.0.1"
        host = f"[{host}]" if ":" in host else host
        return web.Response(text=_PAGE.format(s3=escape(f"{s3_scheme}://{host}:{s3_port}")), content_type="text/html")

    return web.get("/", page)
