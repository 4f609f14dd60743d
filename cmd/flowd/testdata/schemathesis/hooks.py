"""What schemathesis cannot read from the OpenAPI document, which says it in words or in x- fields."""

import csv
import datetime
import gzip
import io
import json
import re

import schemathesis
from schemathesis.core import NOT_SET
from schemathesis.generation import GenerationMode

try:
    from compression import zstd
except ImportError:  # before Python 3.14
    from backports import zstd

# --- media types of lines: x-line says what a line is ---


def each_content(node):
    """Yields every media type below node that has x-line, with its name."""
    if isinstance(node, dict):
        for name, content in (node.get("content") or {}).items() if isinstance(node.get("content"), dict) else ():
            if isinstance(content, dict) and "x-line" in content:
                yield name, content
        for below in node.values():
            yield from each_content(below)
    elif isinstance(node, list):
        for below in node:
            yield from each_content(below)


INTEGERS = set()  # the names of the fields that CSV has as digits


@schemathesis.hook
def before_load_schema(context, raw_schema):
    schemas = raw_schema["components"]["schemas"]
    for name in ("Row", "DiffRow", "PairRow"):
        for field, schema in schemas[name]["properties"].items():
            while "$ref" in schema:
                schema = schemas[schema["$ref"].rsplit("/", 1)[1]]
            if schema.get("type") == "integer":
                INTEGERS.add(field)
    for name, content in each_content(raw_schema):
        content["schema"] = {"type": "array", "items": content["x-line"]}
        for example in content["examples"].values():
            example["value"] = read_lines(name, example["value"])


def read_lines(media_type, text):
    if not media_type.startswith("text/csv"):
        if text and not text.endswith("\n"):
            raise ValueError("the last line is not ended")
        return [json.loads(line) for line in text.split("\n")[:-1]]
    records = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    return [{k: int(v) if k in INTEGERS else v for k, v in record.items()} for record in records]


@schemathesis.deserializer("application/x-ndjson", "application/jsonl", "text/csv")
def lines_of(context, response):
    return read_lines(response.headers["content-type"][0], response.content.decode())


@schemathesis.serializer("application/x-ndjson", "application/jsonl")
def to_lines(context, value):
    if not isinstance(value, list):
        return json.dumps(value).encode()
    return "".join(json.dumps(one) + "\n" for one in value).encode()


class Packed:
    """Packs the body of a request as its Content-Encoding says. Tools send the header with a plain body."""

    def __call__(self, request):
        encoding = request.headers.get("Content-Encoding")
        if encoding in PACK and isinstance(request.body, (bytes, str, type(None))):
            body = request.body or b""  # None is lines of which there are none
            request.prepare_body(PACK[encoding](body.encode() if isinstance(body, str) else body), None)
        return request


PACK = {"gzip": gzip.compress, "x-gzip": gzip.compress, "zstd": zstd.compress}


def write_integers(body):
    """Writes 1.0 as 1 in flows: to JSON Schema both are integers, and the document asks for the latter in words."""
    for one in body if isinstance(body, list) else ():
        for field in ("bytes_tx", "bytes_rx", "hour") if isinstance(one, dict) else ():
            if isinstance(one.get(field), float) and one[field].is_integer():
                one[field] = int(one[field])


@schemathesis.hook
def before_call(context, case, kwargs):
    write_integers(case.body)
    if case.body is not NOT_SET:
        kwargs["auth"] = Packed()  # what requests calls last with what it is to send


# --- what is said of parameters and fields together ---

UNITS = {"ZeroOrOne": lambda given: sum(given) <= 1, "AllOrNone": lambda given: len(set(given)) == 1}


def keeps_dependencies(definition, headers):
    """Whether x-dependencies, in the Inter-parameter Dependency Language, hold for headers."""
    for said in definition.get("x-dependencies", ()):
        kind, names = re.fullmatch(r"(\w+)\((.*)\);", said).groups()
        if not UNITS[kind]([name.strip(" []") in headers for name in names.split(",")]):
            return False
    return True


def hour_of(value, up):
    if re.fullmatch(r"[0-9]+", str(value)):
        return int(value)
    seconds = datetime.datetime.fromisoformat(re.sub(r"\.[0-9]+", "", value).replace("Z", "+00:00")).timestamp()
    if up and "." in value:
        seconds += 0 if not value.split(".")[1].strip("0Z") else 1
    return -(-int(seconds) // 3600) if up else int(seconds) // 3600


def texts(value):
    if isinstance(value, dict):
        for below in value.values():
            yield from texts(below)
    elif isinstance(value, list):
        for below in value:
            yield from texts(below)
    elif isinstance(value, str):
        yield value


def short(value):
    """Whether all names have at most 256 bytes, which JSON Schema can only count as characters."""
    return all(len(text.removesuffix("*").encode("utf-8", "surrogatepass")) <= 256 for text in texts(value))


def ordered(query):
    for first, last in (("from", "to"), ("a_from", "a_to"), ("b_from", "b_to")):
        if first in query and last in query and hour_of(query[first], False) > hour_of(query[last], True):
            return False
    for name in ("from", "to", "a_from", "a_to", "b_from", "b_to"):
        if name in query and hour_of(query[name], False) < 0:  # before 1970 by its offset, also where it is rounded up
            return False
    return True


def there(operation, query):
    """Whether rows are ordered by a field that group_by leaves."""
    by = str(query.get("order_by", "")).removeprefix("-")
    if operation.label != "GET /flows" or "group_by" not in query or by.startswith("bytes"):
        return True
    return by in ("", *str(query["group_by"]).split(","))


def keeps_what_is_said(operation, case):
    """Whether a case that satisfies all schemas keeps what the document says beside them."""
    query = dict(case.query or {})
    return (
        keeps_dependencies(operation.definition.raw, case.headers or {})
        and short(query)
        and short(case.body)
        and ordered(query)
        and there(operation, query)
    )


@schemathesis.hook
def filter_case(context, case):
    # One that violates a schema must be refused anyway.
    return case.meta.generation.mode != GenerationMode.POSITIVE or keeps_what_is_said(case.operation, case)


@schemathesis.hook
def before_add_examples(context, examples):
    # A tool puts the examples of all headers together, also of those that exclude each other.
    for case in examples:
        if not keeps_dependencies(context.operation.definition.raw, case.headers):
            del case.headers["Idempotency-Key"]
    for case in examples:
        assert keeps_what_is_said(context.operation, case), case
