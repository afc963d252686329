"""A receiver of webhooks: receiver.py HOST SECRET. Prints its port, then each delivery as a line of JSON.

Whether a delivery is taken is decided by the file in RECEIVER_STATUS: it has the status of the next answers.
"""

import base64
import hashlib
import hmac
import http.server
import json
import os
import sys
import threading

HOST, SECRET = sys.argv[1], base64.b64decode(sys.argv[2].removeprefix("whsec_"))
PRINTING = threading.Lock()


def say(what):
    with PRINTING:
        print(json.dumps(what), flush=True)


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        name, time = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        digest = hmac.new(SECRET, f"{name}.{time}.".encode() + body, hashlib.sha256).digest()
        signed = self.headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
        with open(os.environ["RECEIVER_STATUS"]) as file:
            status = int(file.read())
        event = json.loads(body)
        say({"id": name, "signed": signed, "status": status, "path": self.path, "event": event})
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer((HOST, 0), Receiver)
say({"port": server.server_address[1]})
server.serve_forever()
