"""The JSON of the Topaz Image API: errors, submissions, states, pages and links.

Source: the Image API's OpenAPI document 1.2.0.
"""

from __future__ import annotations

from aiohttp import web

from airflow_provider_assets.sandbox.topaz.state import Process
from airflow_provider_assets.sandbox.vendor import Json

_MESSAGES = {
    400: "Bad request",
    401: "Unauthorized",
    402: "Not enough credits",
    404: "No image with this process ID",
    409: "The image is not ready",
    412: "No valid API subscription",
    413: "The image is too large",
    425: "Credit order in progress",
    429: "Too Many Requests",
    500: "Internal server error",
}
BALANCE: Json = {"available_credits": 900, "reserved_credits": 10, "total_credits": 910}


def error(status: int, message: str = "", *, extra: Json | None = None) -> web.Response:
    """An error response: ``message``, and ``code``, which repeats the status."""
    text = message or _MESSAGES.get(status, "Error")
    return web.json_response({"code": status, "message": text} | (extra or {}), status=status)


def submitted_json(process: Process) -> Json:
    """An accepted process as ``POST /enhance/async`` and its siblings answer."""
    return {"process_id": process.id, "source_id": process.source_id, "eta": process.eta}


def status_json(process: Process) -> Json:
    """One process as ``GET /status`` shows it, without an error text and without a link."""
    category, model_type, model = process.model
    life = process.life
    return {
        "process_id": process.id,
        "source_id": process.source_id,
        "filename": process.filename,
        "input_format": process.input_format,
        "input_width": process.size[0],
        "input_height": process.size[1],
        "output_format": process.output_format,
        "output_width": process.wanted[0],
        "output_height": process.wanted[1],
        "category": category,
        "model_type": model_type,
        "model": model,
        "crop_to_fill": process.crop,
        "status": life.status,
        "progress": round(100 * life.progress),
        "eta": process.eta,
        "creation_time": int(life.begun),
        "modification_time": int(life.updated),
        "credits": process.credits,
    }


def page_json(shown: list[Json], *, following: str | None) -> Json:
    """One page of ``GET /status``; ``following`` is the cursor of the next, None on the last."""
    pagination: Json = {"has_next_page": following is not None}
    if following is not None:
        pagination["next_cursor"] = following
    return {"data": shown, "pagination": pagination}
