#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Just enough of Keystone v3 and Nova 2.1 that ceilometer-polling meters libvirt's domains: it asks Nova for
the id of each flavor, and gives up the whole cycle when nobody answers.  Listens on 127.0.0.1 only.

Usage: openstack.py PORT"""
import http.server
import json
import sys
import time

PORT = int(sys.argv[1])
BASE = f"http://127.0.0.1:{PORT}"


def stamp(offset):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(time.time() + offset))


def token():
    def service(kind, name, path):
        return {"type": kind, "name": name, "id": kind, "endpoints": [
            {"id": i, "interface": i, "region": "RegionOne", "region_id": "RegionOne", "url": BASE + path}
            for i in ("public", "internal", "admin")]}
    domain = {"id": "default", "name": "Default"}
    return {"token": {
        "methods": ["password"], "issued_at": stamp(0), "expires_at": stamp(86400), "audit_ids": ["x"],
        "user": {"id": "u", "name": "ceilometer", "domain": domain, "password_expires_at": None},
        "project": {"id": "p", "name": "service", "domain": domain}, "is_domain": False,
        "roles": [{"id": "r", "name": "admin"}],
        "catalog": [service("identity", "keystone", "/v3"), service("compute", "nova", "/v2.1"),
                    service("image", "glance", "/image")]}}


ANSWERS = {
    "/v3": {"version": {"id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z", "media-types": [],
                        "links": [{"rel": "self", "href": BASE + "/v3/"}]}},
    "/v2.1": {"version": {"id": "v2.1", "status": "CURRENT", "version": "2.93", "min_version": "2.1",
                          "updated": "2013-07-23T11:33:21Z", "links": [{"rel": "self", "href": BASE + "/v2.1/"}]}},
    "/v2.1/flavors": {"flavors": []},       # a flavor that Nova does not know: its name is its id
    "/v2.1/flavors/detail": {"flavors": []},
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, code, document, **headers):
        body = json.dumps(document).encode()
        self.send_response(code)
        for key, value in {"Content-Type": "application/json", "Content-Length": len(body), **headers}.items():
            self.send_header(key.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.answer(201, token(), X_Subject_Token="t")

    def do_GET(self):
        document = ANSWERS.get(self.path.split("?")[0].rstrip("/"))
        self.answer(200 if document else 404, document or {"itemNotFound": {"code": 404, "message": "not found"}})


http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
