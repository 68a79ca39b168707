# SPDX-License-Identifier: Apache-2.0
"""libcurl's WebSocket: OpenAI Responses over one connection, each job as one response.create.

  pycurl      upstream's libcurl, on OpenSSL: messages in turn whole, in three fragments with a ping
              among them, and as one frame handed over in pieces
  curl_cffi   the impersonating fork, on BoringSSL: alone in offering permessage-deflate

Usage: curl_websocket.py pycurl|curl_cffi [QUERY]; jobs as JSON lines on stdin. The query tells the
server how to answer an offer of permessage-deflate.
"""
import json
import os
import select
import sys


class Pycurl:
    def __init__(self, url, headers):
        self.curl = pycurl.Curl()
        self.curl.setopt(pycurl.URL, url)
        self.curl.setopt(pycurl.HTTPHEADER, headers)
        self.curl.setopt(pycurl.CAINFO, os.environ["SSL_CERT_FILE"])
        self.curl.setopt(pycurl.CONNECT_ONLY, 2)  # upgrade, then leave the socket to ws_*
        self.curl.perform()
        self.socket = self.curl.getinfo(pycurl.ACTIVESOCKET)
        self.sent = 0

    def send(self, message):
        data = message.encode()
        third = len(data) // 3 + 1
        pieces = [data[at:at + third] for at in range(0, len(data), third)]
        kind, self.sent = self.sent % 3, self.sent + 1
        if kind == 0:
            self.put(data, pycurl.WS_TEXT)
        elif kind == 1:
            self.put(pieces[0], pycurl.WS_TEXT | pycurl.WS_CONT)
            self.put(b"still here", pycurl.WS_PING)
            self.put(pieces[1], pycurl.WS_TEXT | pycurl.WS_CONT)
            self.put(pieces[2], pycurl.WS_TEXT)
        else:
            self.put(pieces[0], pycurl.WS_TEXT | pycurl.WS_OFFSET, len(data))
            for piece in pieces[1:]:
                self.put(piece, pycurl.WS_TEXT | pycurl.WS_OFFSET)

    def put(self, data, flags, size=0):
        while data:
            try:
                data = data[self.curl.ws_send(data, flags, size):]
            except BlockingIOError:
                select.select([], [self.socket], [])

    def receive(self):
        message = b""
        while True:
            try:
                data, frame = self.curl.ws_recv(1 << 16)
            except BlockingIOError:
                select.select([self.socket], [], [])
                continue
            if not frame.flags & pycurl.WS_TEXT:
                continue
            message += data
            if not frame.bytesleft and not frame.flags & pycurl.WS_CONT:
                return message

    def close(self):
        self.curl.ws_close(1000)
        self.curl.close()


class CurlCffi:
    def __init__(self, url, headers):
        self.session = curl_cffi.Session(verify=os.environ["SSL_CERT_FILE"])
        self.socket = self.session.ws_connect(
            url, headers=dict(header.split(": ", 1) for header in headers),
            curl_options={curl_cffi.CurlOpt.WS_OPTIONS: CurlWsOption.PERMESSAGE_DEFLATE})

    def send(self, message):
        self.socket.send_str(message)

    def receive(self):
        return self.socket.recv_str()

    def close(self):
        self.socket.close()


if sys.argv[1] == "pycurl":
    import pycurl
    connect = Pycurl
else:
    import curl_cffi
    from curl_cffi.const import CurlWsOption
    connect = CurlCffi
jobs = [json.loads(line) for line in sys.stdin]
query = "?" + sys.argv[2] if len(sys.argv) > 2 else ""
peer = connect(f"wss://{jobs[0]['host']}:{jobs[0]['port']}/v1/responses{query}",
               ["Authorization: Bearer sk-e2e-0123456789"])
for job in jobs:
    peer.send(json.dumps({"type": "response.create", "model": "gpt-4o",
                          "input": json.loads(job["body"])["messages"]}))
    while (event := json.loads(peer.receive()))["type"] != "response.completed":
        pass
    print(json.dumps({"nonce": job["nonce"], "usage": event["response"]["usage"]}), flush=True)
peer.close()
