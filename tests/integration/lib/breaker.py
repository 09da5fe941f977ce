# SPDX-License-Identifier: Apache-2.0
"""A proxy before a real service, which breaks those of its answers that it is told to (faulty.py); it counts what is asked,
and what was answered.

    with Breaker(nova_port) as before, ...:
        before.fault("/v2.1/servers", 500)
"""
import http.client

import faulty

HOP = ("connection", "keep-alive", "transfer-encoding", "content-length")


class Breaker(faulty.Faulty):
    def __init__(self, port, tls=None):
        super().__init__(tls)
        self.far, self.token, self.statuses = port, None, []      # the token that was shown last; statuses of real answers
        self.begin()

    def real(self, h, body):
        """The real service's answer: (status, headers, body)."""
        c = http.client.HTTPConnection("127.0.0.1", self.far, timeout=60)
        try:
            c.request(h.command, h.path, body, {k: v for k, v in h.headers.items() if k.lower() not in HOP})
            answer = c.getresponse()
            return answer.status, [(k, v) for k, v in answer.getheaders() if k.lower() not in HOP], answer.read()
        finally:
            c.close()

    def serve(self, h, body):
        h.close_connection = bool(self.context)     # a new connection looks at the certificate
        self.token = h.headers["X-Auth-Token"] or self.token
        fault = self.fault_of(h.path)
        if fault and fault[0] not in ("half", "garbage"):
            return self.fail(h, *fault, b"")
        try:
            status, headers, answer = self.real(h, body)
        except OSError:
            h.close_connection = True       # it is away
            return None
        with self.lock:
            self.statuses.append((h.path, status))
        if fault:
            return self.fail(h, *fault, answer)
        h.send_response_only(status)
        for key, value in headers:
            h.send_header(key, value)
        h.send_header("Content-Length", str(len(answer)))
        h.end_headers()
        return h.wfile.write(answer)

    def saw(self, path, status):
        """How often the real service answered so."""
        return sum(1 for p, s in self.statuses if p.startswith(path) and s == status)
