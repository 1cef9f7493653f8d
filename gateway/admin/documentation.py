"""The contract as one page of HTML: no script, nothing loaded from anywhere."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.admin.contract import METHODS, Contract
from gateway.admin.problems import CODES

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: #0a66c2; }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; display: grid; grid-template-columns: 21rem minmax(0, 60rem); }
nav { position: sticky; top: 0; height: 100vh; overflow: hidden auto; padding: 1rem; box-sizing: border-box;
  border-right: 1px solid var(--line); font-size: 12.5px; }
nav > a { display: block; font-weight: 600; text-transform: capitalize; }
nav ul { list-style: none; margin: .2rem 0 .8rem; padding: 0; }
nav li a { display: grid; grid-template-columns: 3.6rem minmax(0, 1fr); padding: .1rem 0; }
nav .method { border: 0; padding: 0; font-size: 11px; line-height: inherit; }
main { padding: 1rem 2rem 6rem; }
a { color: var(--accent); text-decoration: none; } a:hover { text-decoration: underline; }
code { font: 13px ui-monospace, monospace; background: var(--soft); padding: .1em .3em; border-radius: 3px; }
article { border: 1px solid var(--line); border-radius: 6px; padding: .2rem 1rem .8rem; margin: 1rem 0; }
h2 { margin-top: 3rem; text-transform: capitalize; }
h3 { margin: .6rem 0 .2rem; font-weight: 600; } h4 { margin: .8rem 0 .2rem; }
h3 code { background: none; padding: 0; }
pre { background: var(--soft); border-radius: 6px; padding: .7rem 1rem; overflow: auto;
  font: 13px/1.5 ui-monospace, monospace; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; overflow-wrap: anywhere; }
td:first-child { width: 26%; } td:nth-child(2):not(:last-child) { width: 32%; }
td, th { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0; border-top: 1px solid var(--line); }
.method { font: 600 12px ui-monospace, monospace; border: 1px solid; border-radius: 4px; padding: .1em .4em; }
.get { color: #0a7f3f; } .post { color: #0a66c2; } .put, .patch { color: #a35a00; } .delete { color: #c0262d; }
@media (prefers-color-scheme: dark) {
  :root { --accent: #6ab0f3; }
  .get { color: #4cc38a; } .post { color: #6ab0f3; } .put, .patch { color: #e3a857; } .delete { color: #ff7b80; }
}
.soft { opacity: .65; font-size: 12.5px; } :target { outline: 2px solid var(--accent); }
@media (max-width: 60rem) { body { display: block; } nav { position: static; height: auto; } main { padding: 1rem; } }
""".strip()


_FIRST_CALL = 'curl --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" http://127.0.0.1:9001/api/v1/packages'


def page(contract: Contract) -> str:
    """The whole page."""
    return "\n".join(_page(contract))


def _page(contract: Contract) -> Iterator[str]:
    info = contract.document["info"]
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{_text(info['title'])}: REST</title><style>{_STYLE}</style></head><body>"
    yield f"<nav><p><strong>{_text(info['title'])}</strong></p>"
    for tag in contract.document["tags"]:
        yield f'<a href="#tag-{tag["name"]}">{tag["name"]}</a><ul>'
        for path, method, node in _operations(contract, tag["name"]):
            yield f'<li><a href="#{node["operationId"]}">{_badge(method)} <span>{_breakable(path)}</span></a></li>'
        yield "</ul>"
    yield '<a href="#schemas">schemas</a><br><a href="#problems">problems</a></nav><main>'
    yield f"<h1>{_text(info['title'])}</h1><p>{_text(info['summary'])}</p>{_prose(info['description'])}"
    yield f"<pre>{_text(_FIRST_CALL)}</pre>"
    yield '<p>For programs: <a href="/api/v1/openapi.json">OpenAPI 3.1</a>.</p>'
    for tag in contract.document["tags"]:
        yield f'<h2 id="tag-{tag["name"]}">{tag["name"]}</h2><p>{_text(tag["description"])}</p>'
        for path, method, node in _operations(contract, tag["name"]):
            yield from _operation(contract, path, method, node)
    yield '<h2 id="schemas">schemas</h2>'
    for name, schema in contract.document["components"]["schemas"].items():
        yield f'<article id="schema-{name}"><h3>{name}</h3>{_schema(contract, schema)}</article>'
    yield '<h2 id="problems">problems</h2><p>The values of <code>code</code>.</p><table>'
    for code, (status, title) in CODES.items():
        yield f'<tr id="problem-{code}"><td><code>{code}</code></td><td>{status}</td><td>{_text(title)}</td></tr>'
    yield "</table></main></body></html>"


def _operations(contract: Contract, tag: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Those whose first tag it is, so that each is shown once."""
    for path, item in contract.document["paths"].items():
        for method in METHODS:
            if method in item and item[method]["tags"][0] == tag:
                yield path, method, {**item[method], "parameters": _parameters(item, item[method])}


def _parameters(item: Mapping[str, Any], node: Mapping[str, Any]) -> list[Any]:
    return [*item.get("parameters", ()), *node.get("parameters", ())]


def _operation(contract: Contract, path: str, method: str, node: Mapping[str, Any]) -> Iterator[str]:
    yield f'<article id="{node["operationId"]}"><h3>{_badge(method)} <code>/api/v1{_text(path)}</code></h3>'
    yield f"<p>{_text(node['summary'])}.</p>{_prose(node.get('description', ''))}"
    if node["parameters"]:
        yield "<h4>Parameters</h4><table>"
        for parameter in map(contract.resolve, node["parameters"]):
            need = "" if parameter.get("required") else ' <span class="soft">optional</span>'
            told = parameter.get("description", contract.resolve(parameter["schema"]).get("description", ""))
            name = f"<code>{_text(parameter['name'])}</code> <span class=soft>{parameter['in']}</span>"
            kind = _kind(contract, parameter["schema"])
            yield f"<tr><td>{name}{need}</td><td>{kind}</td><td>{_inline(told)}</td></tr>"
        yield "</table>"
    if "requestBody" in node:
        yield "<h4>Body</h4>"
        yield from _contents(contract, node["requestBody"].get("content", {}))
    yield "<h4>Answers</h4><table>"
    for status, answer in node["responses"].items():
        resolved = contract.resolve(answer)
        kinds = "".join(_contents(contract, resolved.get("content", {})))
        yield f"<tr><td><code>{status}</code></td><td>{_inline(resolved['description'])}</td><td>{kinds}</td></tr>"
    yield "</table></article>"


def _contents(contract: Contract, content: Mapping[str, Any]) -> Iterator[str]:
    for media_type, media in content.items():
        yield f"<div><code>{_text(media_type)}</code> {_kind(contract, media['schema'])}</div>"


def _schema(contract: Contract, schema: Mapping[str, Any]) -> str:
    """The fields of an object, or the rule of a plain value."""
    properties = schema.get("properties")
    if not properties:
        return f"<p>{_kind(contract, schema)} {_inline(schema.get('description', ''))}</p>"
    required = schema.get("required", ())
    rows = "".join(
        f"<tr><td><code>{_text(name)}</code>{'' if name in required else ' <span class=soft>optional</span>'}</td>"
        f"<td>{_kind(contract, field)}</td><td>{_inline(contract.resolve(field).get('description', ''))}</td></tr>"
        for name, field in properties.items()
    )
    return f"<table>{rows}</table>"


def _kind(contract: Contract, schema: Mapping[str, Any]) -> str:
    """A type in a few words, with a link where it has a name."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#schema-{name}">{name}</a>'
    if "const" in schema:
        return f"<code>{_text(str(schema['const']))}</code>"
    if "enum" in schema:
        return " | ".join(f"<code>{_text(str(value))}</code>" for value in schema["enum"])
    if "oneOf" in schema and "properties" not in schema:
        return " | ".join(_kind(contract, one) for one in schema["oneOf"])
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_kind(contract, schema.get('items', {}))}"
    words = kind if isinstance(kind, str) else " | ".join(kind)
    bounds = [f"{symbol} {schema[name]}" for name, symbol in (("minimum", "≥"), ("maximum", "≤")) if name in schema]
    default = f", default <code>{_text(str(schema['default']).lower())}</code>" if "default" in schema else ""
    pattern = f" <code>{_text(schema['pattern'])}</code>" if "pattern" in schema else ""
    return f"{words}{pattern}{' ' if bounds else ''}{', '.join(bounds)}{default}"


def _breakable(path: str) -> str:
    """A path that may go on in another line after a slash."""
    return _text(path).replace("/", "/<wbr>")


def _badge(method: str) -> str:
    return f'<span class="method {method}">{method.upper()}</span>'


def _prose(text: str) -> str:
    return "".join(f"<p>{_inline(paragraph)}</p>" for paragraph in text.strip().split("\n\n") if paragraph)


def _inline(text: str) -> str:
    """`code` and **strong**, the only marks the contract's prose uses."""
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", _text(text))
    return re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", marked)


def _text(text: str) -> str:
    return html.escape(text)
