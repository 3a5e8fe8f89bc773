"""Conversations, comparisons and benchmark reports as files, behind the same guards as the page."""

from __future__ import annotations

import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from chatapp import locations
from chatapp.application.services import Services
from chatapp.chat import export
from chatapp.chat.comparisons import Comparisons, as_document
from chatapp.errors import StoreError
from chatapp.measure.compare.comparison_report import markdown
from chatapp.settings import Settings
from chatapp.texts import FALLBACK, LANGUAGES, Texts

_REPORT = re.compile(rf"(mt-bench|tune)-[0-9-]+(\.({'|'.join(LANGUAGES)}))?\.(json|html|md)")


def routes(services: Services, settings: Settings) -> list[Route]:
    async def comparison(request: Request) -> Response:
        number, form = int(request.path_params["number"]), request.path_params["form"]
        try:
            found = Comparisons(services.store).one(number)
        except StoreError:
            return PlainTextResponse("404", 404)
        name = {"Content-Disposition": f'attachment; filename="comparison-{number}.{form}"'}
        if form == "json":
            return JSONResponse(as_document(found), headers=name)
        text = markdown(found, _texts(request))
        return Response(text, media_type="text/markdown", headers=name)

    async def conversation(request: Request) -> Response:
        number, form = int(request.path_params["number"]), request.path_params["form"]
        name = {"Content-Disposition": f'attachment; filename="conversation-{number}.{form}"'}
        try:
            if form == "json":
                whole = export.as_document(services.store, number)
                return JSONResponse(whole, headers=name)
            text = export.as_markdown(services.store, number, _texts(request))
        except StoreError:
            return PlainTextResponse("404", 404)
        return Response(text, media_type="text/markdown", headers=name)

    async def report(request: Request) -> Response:
        name = request.path_params["name"]
        path: Path = locations.bench(settings.data_dir) / name
        if not _REPORT.fullmatch(name) or not path.is_file():
            return JSONResponse({}, 404)
        return FileResponse(path)

    return [
        Route("/eaglechat/conversation/{number:int}.{form}", conversation),
        Route("/eaglechat/comparison/{number:int}.{form}", comparison),
        Route("/eaglechat/report/{name}", report),
    ]


def _texts(request: Request) -> Texts:
    language = request.query_params.get("language")
    return Texts(language if language in LANGUAGES else FALLBACK)
