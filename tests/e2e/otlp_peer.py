# SPDX-License-Identifier: Apache-2.0
"""A back end on loopback that keeps what it is sent, and a reader of protobuf that knows nothing of
the code that wrote it."""
import gzip
import http.server
import struct
import threading


class Receiver:
    """Answers every POST with `status` and keeps (path, headers, body)."""

    def __init__(self, status=200, body=b""):
        self.requests = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.requests.append((self.path, headers, body))
                self.send_response(status)
                self.send_header("Content-Length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, *_):
                pass

        self.body = body
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def bodies(self, path):
        return [body for got, _, body in self.requests if got == path]


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data):
    """(number, value) of each field; fixed64 and length-delimited stay bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
        else:
            size, at = {1: (8, at), 2: None, 5: (4, at)}[kind] or varint(data, at)
            if at + size > len(data):
                raise ValueError("a field is cut")
            value, at = data[at:at + size], at + size
        yield key >> 3, value


def inside(data, *path):
    """Every message below `path`, a list of field numbers."""
    if not path:
        yield data
        return
    for number, value in fields(data):
        if number == path[0]:
            yield from inside(value, *path[1:])


def any_value(data):
    """common.proto, AnyValue."""
    for number, value in fields(data):
        if number == 1:
            return value.decode()
        if number == 2:
            return bool(value)
        if number == 3:
            return value - (1 << 64) if value >> 63 else value
        if number == 4:
            return struct.unpack("<d", value)[0]
        if number == 5:
            return [any_value(item) for item in inside(value, 1)]
        if number == 6:
            return attributes(value, 1)
    return None


def attributes(message, number):
    out = {}
    for pair in inside(message, number):
        parts = dict(fields(pair))
        out[parts[1].decode()] = any_value(parts[2])
    return out


def spans(request):
    """ExportTraceServiceRequest → list of dicts."""
    for group in inside(request, 1):
        resource = attributes(next(inside(group, 1)), 1)
        for span in inside(group, 2, 2):
            one = dict(fields(span))
            yield {"resource": resource, "trace_id": one[1].hex(), "span_id": one[2].hex(),
                   "parent": one.get(4, b"").hex(), "name": one[5].decode(), "kind": one.get(6, 0),
                   "start": int.from_bytes(one[7], "little"),
                   "end": int.from_bytes(one[8], "little"), "attributes": attributes(span, 9),
                   "status": dict(fields(one[15])).get(3, 0)}


def histograms(request):
    """ExportMetricsServiceRequest → {name: [(attributes, count, sum)]}."""
    out = {}
    for metric in inside(request, 1, 2, 2):
        parts = dict(fields(metric))
        for point in inside(metric, 9, 1):
            one = dict(fields(point))
            buckets = struct.unpack(f"<{len(one[6]) // 8}Q", one[6])
            count = int.from_bytes(one[4], "little")
            if sum(buckets) != count:
                raise ValueError("the buckets do not add up")
            out.setdefault(parts[1].decode(), []).append(
                (attributes(point, 9), count, struct.unpack("<d", one[5])[0]))
    return out


def logs(request):
    """ExportLogsServiceRequest → list of dicts."""
    for record in inside(request, 1, 2, 2):
        one = dict(fields(record))
        yield {"event": one[12].decode(), "severity": one[2], "trace_id": one[9].hex(),
               "span_id": one[10].hex(), "attributes": attributes(record, 6)}
