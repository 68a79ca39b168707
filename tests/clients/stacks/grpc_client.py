# SPDX-License-Identifier: Apache-2.0
"""grpc's C core: HOST PORT PATH PLAY on argv, the request's bytes on stdin. The server does not speak
gRPC, so the call fails, after both sides have sent their bytes."""
import os
import pathlib
import sys

import grpc

host, port, path, play = sys.argv[1:]
roots = pathlib.Path(os.environ["SSL_CERT_FILE"]).read_bytes()
channel = grpc.secure_channel(f"{host}:{port}", grpc.ssl_channel_credentials(roots))
call = channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)
try:
    call(sys.stdin.buffer.read(), timeout=20, metadata=[("x-play", play)])
except grpc.RpcError as error:
    print(error.code())
