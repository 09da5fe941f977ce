# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Keystone, Nova and Glance on 127.0.0.1, for what the real ones cannot be made to do: faults, tokens that
end, a thousand servers.  It is strict: what they would not take it does not take, and what is asked otherwise than
Ceilometer's releases ask is kept in `wrong`.

    with Cloud(host="compute-0") as cloud:
        cloud.add(uuid, name="web")
        cloud.fault("/v2.1/servers", 500, times=2)      or "hang", "half", "garbage", "close"
"""
import hashlib
import json
import time
import urllib.parse
import uuid

import faulty

PROJECT, USER = "9ba72dfc1b325bfa8438bb43983aef54", "baff8d1ad1135092a8c29ca40824a7a8"


def stamp(t):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(t))


class Cloud(faulty.Faulty):
    def __init__(self, host="compute-0", password="labpass", page=1000, lifetime=3600, tls=None, port=0, foreign=False,
                 clients=None):
        """`foreign`: tokens are a real Keystone's, and not looked at."""
        super().__init__(tls, port, clients)
        self.foreign = foreign
        self.host, self.password, self.page, self.lifetime = host, password, page, lifetime
        self.servers, self.flavors, self.images, self.changed = {}, {}, {}, {}
        self.tokens, self.wrong, self.refused = {}, [], 0
        self.identities = {     # of Keystone, by what stands in the path
            "users": {USER: {"id": USER, "name": "demo-user", "domain_id": "default", "enabled": True}},
            "projects": {PROJECT: {"id": PROJECT, "name": "demo-project", "domain_id": "default", "enabled": True}},
            "domains": {"default": {"id": "default", "name": "Default", "enabled": True}}}
        self.flavor("42", name="m1.nano")
        self.image("70a599e0-31e7-49b7-b260-868f441e862b", name="cirros")
        self.begin()

    def options(self, **more):
        """[service_credentials] that are right."""
        return {"auth_type": "password", "auth_url": f"{self.url}/v3", "username": "ceilometer", "password": self.password,
                "project_name": "service", "user_domain_name": "Default", "project_domain_name": "Default", **more}

    # ---- what there is

    def flavor(self, ident, name):
        self.flavors[ident] = {"id": ident, "name": name, "ram": 64, "disk": 1, "vcpus": 1, "swap": "",
                               "OS-FLV-EXT-DATA:ephemeral": 0, "links": []}

    def image(self, ident, name, **more):
        self.images[ident] = {"id": ident, "name": name, "status": "active", "min_disk": 0, "tags": [], **more}

    def add(self, ident, name, state="active", flavor="42", image="70a599e0-31e7-49b7-b260-868f441e862b", **metadata):
        self.servers[ident] = {
            "id": ident, "name": name, "status": {"stopped": "SHUTOFF"}.get(state, state.upper()), "tenant_id": PROJECT,
            "user_id": USER, "metadata": metadata, "hostId": hashlib.sha224((PROJECT + self.host).encode()).hexdigest(),
            "image": {"id": image, "links": [{"rel": "bookmark", "href": f"{self.url}/images/{image}"}]} if image else "",
            "flavor": {"id": flavor, "links": [{"rel": "bookmark", "href": f"{self.url}/flavors/{flavor}"}]},
            "OS-EXT-AZ:availability_zone": "nova", "OS-EXT-SRV-ATTR:host": self.host,
            "OS-EXT-SRV-ATTR:instance_name": f"instance-{len(self.servers) + 1:08x}", "OS-EXT-STS:task_state": None,
            "OS-EXT-STS:vm_state": state, "OS-EXT-STS:power_state": 4 if state == "stopped" else 1}
        self.changed[ident] = time.time()

    def change(self, ident, **members):
        self.servers[ident].update({k.replace("__", ":"): v for k, v in members.items()})
        self.changed[ident] = time.time()

    def delete(self, ident):
        self.change(ident, **{"status": "DELETED", "OS-EXT-STS__vm_state": "deleted"})

    def move_away(self, ident):
        """To another host: Nova does not tell this one."""
        del self.servers[ident]

    # ---- answering

    def serve(self, h, body):
        u, fault = urllib.parse.urlsplit(h.path), self.fault_of(h.path)
        if fault:
            return self.fail(h, *fault, b'{"servers": [{"id": "one"}]}')
        if h.command == "POST":
            return self.log_in(h, u.path, json.loads(body))
        if u.path in ("/", ""):
            return self.answer(h, 300, {"versions": {"values": [{"id": "v3.14", "status": "stable", "links": [
                {"rel": "self", "href": f"{self.url}/v3/"}]}, {"id": "v2.0", "status": "deprecated", "links": []}]}})
        if not self.foreign and self.tokens.get(h.headers["X-Auth-Token"], 0) < time.time():
            self.refused += 1
            return self.answer(h, 401, {"error": {"code": 401, "message": "The request you have made requires "
                                                                          "authentication.", "title": "Unauthorized"}})
        if u.path.startswith("/v2.1/") and h.headers["X-OpenStack-Nova-API-Version"] != "2.1":
            self.wrong.append(f"{h.path}: no microversion")
        part = u.path.split("/")
        if u.path == "/v2.1/servers/detail":
            return self.list(h, u.query)
        if self.foreign and u.path == "/network/v2.0/ports":      # Nova asks Neutron for security groups
            return self.answer(h, 200, {"ports": []})
        if u.path == "/v2.1/flavors":
            return self.list_flavors(h, u.query)
        if part[1] == "v3" and len(part) == 4 and part[3] in self.identities.get(part[2], {}):
            return self.answer(h, 200, {part[2][:-1]: self.identities[part[2]][part[3]]})
        if part[1:3] == ["v2.1", "flavors"] and len(part) == 4 and part[3] in self.flavors:
            return self.answer(h, 200, {"flavor": self.flavors[part[3]]})
        if part[1:4] == ["image", "v2", "images"] and len(part) == 5 and part[4] in self.images:
            return self.answer(h, 200, self.images[part[4]])
        if part[1:3] != ["v2.1", "flavors"] and part[1:4] != ["image", "v2", "images"] and part[2] not in self.identities:
            self.wrong.append(h.path)
        return self.answer(h, 404, {"itemNotFound": {"code": 404, "message": "It is not there."}})

    def log_in(self, h, path, body):
        if path == "/v2.0/tokens":
            a = body["auth"]
            good = a["passwordCredentials"] == {"username": "ceilometer", "password": self.password} and a["tenantName"]
        elif path == "/v3/auth/tokens":
            identity = body["auth"]["identity"]
            user = identity["password"]["user"] if identity["methods"] == ["password"] else {}
            good = user.get("password") == self.password and (user.get("id") or user.get("domain"))
        else:
            self.wrong.append(path)
            return self.answer(h, 404, {})
        if not good:
            return self.answer(h, 401, {"error": {"code": 401, "message": f"not {self.password}", "title": "Unauthorized"}})
        token = "gAAAAAB" + uuid.uuid4().hex
        now = time.time()
        self.tokens[token] = now + self.lifetime
        services = (("compute", "/v2.1"), ("image", "/image"), ("identity", "/v3"))
        if path == "/v2.0/tokens":
            return self.answer(h, 200, {"access": {
                "token": {"id": token, "issued_at": stamp(now), "expires": stamp(now + self.lifetime)},
                "serviceCatalog": [{"type": kind, "endpoints": [{"region": "R", "publicURL": self.url + p}]}
                                   for kind, p in services]}})
        return self.answer(h, 201, {"token": {
            "methods": ["password"], "issued_at": stamp(now), "expires_at": stamp(now + self.lifetime),
            "catalog": [{"type": kind, "id": kind, "name": kind, "endpoints": [
                {"id": i, "interface": i, "region": "R", "region_id": "R", "url": self.url + p}
                for i in ("admin", "internal", "public")]} for kind, p in services]}}, X_Subject_Token=token)

    def list_flavors(self, h, query):
        q = dict(urllib.parse.parse_qsl(query, keep_blank_values=True, strict_parsing=True))
        if q.get("is_public") != "None" or set(q) - {"is_public", "marker"}:
            self.wrong.append(h.path)
        ids = sorted(self.flavors)
        found = ids[ids.index(q["marker"]) + 1:] if "marker" in q else ids
        document = {"flavors": [{"id": i, "name": self.flavors[i]["name"], "links": []} for i in found[:self.page]]}
        if len(found) > self.page:
            document["flavors_links"] = [{"rel": "next", "href": f"{self.url}/v2.1/flavors?is_public=None&marker="
                                          f"{document['flavors'][-1]['id']}"}]
        self.answer(h, 200, document)

    def list(self, h, query):
        pairs = urllib.parse.parse_qsl(query, keep_blank_values=True, strict_parsing=True)
        q = dict(pairs)
        if [k for k, _ in pairs] != sorted(q) or set(q) - {"all_tenants", "changes-since", "host", "marker", "limit"} or \
                q.get("all_tenants") != "True":
            self.wrong.append(h.path)
        since = q.get("changes-since")
        if since:
            if not since.endswith("+00:00"):
                self.wrong.append(h.path)
            since = time.mktime(time.strptime(since[:19] + " UTC", "%Y-%m-%dT%H:%M:%S %Z")) - time.timezone
        found = [s for i, s in sorted(self.servers.items()) if q.get("host") == s["OS-EXT-SRV-ATTR:host"]
                 and (self.changed[i] >= since if since else s["OS-EXT-STS:vm_state"] != "deleted")]
        if "marker" in q:
            ids = [s["id"] for s in found]
            if q["marker"] not in ids:
                return self.answer(h, 400, {"badRequest": {"code": 400, "message": f"marker [{q['marker']}] not found"}})
            found = found[ids.index(q["marker"]) + 1:]
        document = {"servers": found[:self.page]}
        if len(found) >= self.page and document["servers"]:
            document["servers_links"] = [{"rel": "next", "href": f"{self.url}/v2.1/servers/detail?all_tenants=True&host="
                                          f"{self.host}&marker={document['servers'][-1]['id']}"}]
        self.answer(h, 200, document, Date=time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime()))
