"""The web application behind the page: a picture comes in, and what classify_image.py would say of it goes out."""

from dataclasses import asdict
from pathlib import Path

import uvicorn
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from model.classify import caveat, look
from model.errors import one_line
from model.export import Export
from model.picture import MAX_BYTES

HERE = Path(__file__).parent
# A page of another site that comes by a name of its own for this address (DNS rebinding) says that name.
HOSTS = ["127.0.0.1", "localhost"]
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


def web_server(export: Export) -> uvicorn.Server:
    """Return the server of the application, still without a socket; it says nothing unless something goes wrong."""
    config = uvicorn.Config(
        application(export),
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)


def application(export: Export) -> Starlette:
    """Return the application: the page for an exported network, its style and script, and the network's answers."""
    routes = [
        Route("/", _page),
        Route("/draw.css", _style),
        Route("/draw.js", _script),
        Route("/answer", _answer, methods=["POST"]),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)])
    app.state.export = export
    return app


async def _page(request: Request) -> Response:
    export: Export = request.app.state.export
    templates = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined)
    html = templates.get_template("draw.html").render(
        classes=export.classes, folder=one_line(str(export.folder)), caveat=caveat(export)
    )
    return HTMLResponse(html, headers=HEADERS)


async def _style(_: Request) -> Response:
    return FileResponse(HERE / "draw.css", headers=HEADERS)


async def _script(_: Request) -> Response:
    return FileResponse(HERE / "draw.js", headers=HEADERS)


async def _answer(request: Request) -> Response:
    """Return the prediction for the picture in the body, as of `--json`, and what the network `seen` of it (28, 28).

    It is made in the main thread, where the limits of time hold (model/limits.py): pictures are answered one by one.
    """
    if request.headers.get("origin") != f"http://{request.headers['host']}":
        return PlainTextResponse("only the page at this address may ask", status_code=403)
    try:
        picture = await _body(request)
    except ClientDisconnect:  # the page was closed
        return Response(status_code=400)
    prediction, seen = look(picture, request.app.state.export)
    found = asdict(prediction) | {"seen": None if seen is None else seen.tolist()}
    if prediction.error:  # the page shows one picture, which needs no name
        found["error"] = prediction.error.removeprefix(f"{prediction.image}: ")
    return JSONResponse(found, headers=HEADERS)


async def _body(request: Request) -> bytes:
    """Return the body of a request; of one that is too large so much as tells that it is. Raises: ClientDisconnect."""
    body = bytearray()
    async for chunk in request.stream():
        if len(body) <= MAX_BYTES:
            body += chunk
    return bytes(body)
