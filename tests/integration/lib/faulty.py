# SPDX-License-Identifier: Apache-2.0
"""An HTTP server on 127.0.0.1 that answers wrongly when it is told to.  A base of the stand-in for OpenStack (cloud.py) and of
the proxy before the real one (breaker.py), which have a serve(handler, body)."""
import http.server
import json
import ssl
import threading
import time
import urllib.parse


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass            # the far side left


class Faulty:
    def __init__(self, tls=None, port=0, clients=None):
        """`tls`: files of a certificate and its key; show() changes them.  `clients`: file of the authority that has to have
        signed the certificate of whoever asks."""
        self.faults, self.requests, self.times, self.failed = [], [], [], []        # when it was asked, and when that went wrong
        self.lock, self.over = threading.Lock(), threading.Event()      # `over`: hanging answers are given up
        faulty = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                faulty.take(self, None)

            def do_POST(self):
                faulty.take(self, self.rfile.read(int(self.headers["Content-Length"])))

        self.httpd, self.context = Server(("127.0.0.1", port), Handler), None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.options |= ssl.OP_NO_TICKET        # each connection looks at the certificate
            self.context.num_tickets = 0
            self.show(tls)
            if clients:
                self.context.verify_mode = ssl.CERT_REQUIRED
                # later versions refuse a client only when it has begun to send: then it sees this, or that
                self.context.maximum_version = ssl.TLSVersion.TLSv1_2
                self.context.load_verify_locations(clients)
            self.httpd.socket = self.context.wrap_socket(self.httpd.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.httpd.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def begin(self):
        threading.Thread(target=self.httpd.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.over.set()
        self.httpd.shutdown()
        self.httpd.server_close()

    def show(self, tls):
        """The certificate of further connections."""
        self.context.load_cert_chain(*tls)

    def fault(self, prefix, kind, times=10**9, **headers):
        """What is asked below that path: a status, "hang", "half", "garbage" or "close"."""
        self.faults.append([prefix, kind, times, headers])

    def heal(self):
        self.faults.clear()
        self.over.set()
        self.over = threading.Event()

    def count(self, prefix, method="GET"):
        return sum(1 for m, path in self.requests if m == method and path.startswith(prefix))

    def take(self, h, body):
        with self.lock:
            self.requests.append((h.command, h.path))
            self.times.append(time.monotonic())
        self.serve(h, body)

    def fault_of(self, path):
        """The one that the request falls under: (kind, headers), or None."""
        path = urllib.parse.urlsplit(path).path
        with self.lock:
            found = next((f for f in self.faults if path.startswith(f[0]) and f[2] > 0), None)
            if found:
                found[2] -= 1
        return (found[1], found[3]) if found else None

    def answer(self, h, code, document=None, raw=None, **headers):
        body = raw if raw is not None else json.dumps(document).encode()
        h.send_response(code)
        for key, value in {"Content-Type": "application/json", "Content-Length": len(body), **headers}.items():
            h.send_header(key.replace("_", "-"), str(value))
        h.end_headers()
        h.wfile.write(body)

    def fail(self, h, kind, headers, good):
        """Answers as a fault of that kind has it; `good`: the body that is spoilt."""
        self.failed.append(time.monotonic())
        if isinstance(kind, int):
            self.answer(h, kind, {"error": {"code": kind, "message": "by the script", "title": "No"}}, **headers)
        elif kind == "hang":
            self.over.wait(60)
            h.close_connection = True
        elif kind == "half":
            h.send_response(200)
            h.send_header("Content-Length", str(len(good)))
            h.end_headers()
            h.wfile.write(good[:len(good) // 2])
            h.close_connection = True
        elif kind == "garbage":
            self.answer(h, 200, raw=good.rstrip()[:-1] + b",]}")
        else:
            h.close_connection = True
