"""The replies of the Topaz Image API as JSON schemas, from its OpenAPI document 1.2.0."""

from __future__ import annotations

STRING, INTEGER, FLAG = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
UUID = {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}
FORMAT = {"enum": ["jpeg", "jpg", "png", "tiff", "tif"]}
DIMENSION = {"type": "integer", "minimum": 1, "maximum": 32000}


def shape(required, **optional):
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }


SUBMITTED = shape({"process_id": UUID, "source_id": UUID, "eta": INTEGER})
STATUS = shape(
    {
        "process_id": UUID,
        "filename": STRING,
        "input_format": FORMAT,
        "input_height": DIMENSION,
        "input_width": DIMENSION,
        "output_format": FORMAT,
        "output_height": DIMENSION,
        "output_width": DIMENSION,
        "category": STRING,
        "model_type": STRING,
        "model": STRING,
        "crop_to_fill": FLAG,
        "status": {"enum": ["Pending", "Processing", "Completed", "Failed", "Cancelled"]},
        "progress": {"type": "integer", "minimum": 0, "maximum": 100},
        "eta": INTEGER,
        "creation_time": INTEGER,
        "modification_time": INTEGER,
        "credits": INTEGER,
    },
    source_id=UUID,
    options_json=STRING,
)
STATUSES = {"type": "array", "items": STATUS}
PAGE = shape({"data": STATUSES, "pagination": shape({"has_next_page": FLAG}, next_cursor=STRING)})
LINKS = shape({"download_url": STRING, "head_url": STRING, "expiry": INTEGER})
ERROR = shape({"message": STRING}, code=INTEGER)
DELETED = shape({"deleted_count": INTEGER})
BALANCE = shape(
    {"available_credits": INTEGER, "reserved_credits": INTEGER, "total_credits": INTEGER}
)
