#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A real Keystone and a real Nova API of a test's own, on 127.0.0.1 with SQLite databases in a folder; Nova has instances
on host compute-0 and no compute service behind them.  Glance and Neutron are a stand-in (cloud.py, `foreign`).

    with Real(folder, image_port, {uuid: name}) as real:
        real.base; real.act("destroy", uuid); real.act("host", uuid, "compute-1")

By itself (what Real starts):  openstack_real.py keystone|nova|act FOLDER ARGUMENT..."""
import datetime
import json
import os
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.request
import wsgiref.simple_server

import rabbit

PASSWORD, PROJECT, USER = "labpass", "9ba72dfc1b325bfa8438bb43983aef54", "baff8d1ad1135092a8c29ca40824a7a8"
IMAGE = "70a599e0-31e7-49b7-b260-868f441e862b"

KEYSTONE = """[DEFAULT]
log_file = {dir}/keystone.log
[database]
connection = sqlite:///{dir}/keystone.db
[token]
expiration = {lifetime}
[fernet_tokens]
key_repository = {dir}/fernet
[fernet_receipts]
key_repository = {dir}/fernet
[credential]
key_repository = {dir}/credential
"""
NOVA = """[DEFAULT]
host = controller-0
my_ip = 127.0.0.1
log_file = {dir}/nova.log
state_path = {dir}
transport_url = fake:/
[api]
auth_strategy = keystone
max_limit = {page}
[wsgi]
api_paste_config = {dir}/api-paste.ini
[api_database]
connection = sqlite:///{dir}/nova_api.db
[database]
connection = sqlite:///{dir}/nova.db
[oslo_concurrency]
lock_path = {dir}
[keystone_authtoken]
token_cache_time = 3
www_authenticate_uri = http://127.0.0.1:{keystone}/
auth_url = http://127.0.0.1:{keystone}/v3
auth_type = password
username = nova
password = {password}
project_name = service
user_domain_name = Default
project_domain_name = Default
[neutron]
endpoint_override = http://127.0.0.1:{stub}/network
auth_url = http://127.0.0.1:{keystone}/v3
auth_type = password
username = nova
password = {password}
project_name = service
user_domain_name = Default
project_domain_name = Default
"""
PASTE = """[composite:osapi_compute]
use = call:nova.api.openstack.urlmap:urlmap_factory
/v2.1: v21
[composite:v21]
use = call:nova.api.auth:pipeline_factory_v21
keystone = authtoken keystonecontext app
[app:app]
paste.app_factory = nova.api.openstack.compute:APIRouterV21.factory
[filter:keystonecontext]
paste.filter_factory = nova.api.auth:NovaKeystoneContext.factory
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
"""


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_):
        pass


def serve(application, port):
    wsgiref.simple_server.make_server("127.0.0.1", port, application, handler_class=Quiet).serve_forever()


def write_ahead(path):
    """Readers do not block the writer: two connections of one request would else lock each other out."""
    import sqlite3
    sqlite3.connect(path).execute("PRAGMA journal_mode=WAL")


def bootstrap_keystone(folder, port):
    """Tables, keys and the administrator."""
    import keystone.server
    from keystone.cmd import bootstrap
    from keystone.common import fernet_utils, sql
    from keystone.server.flask import core
    keystone.server.configure(config_files=core._get_config_files())
    for name, keys in (("fernet_tokens", f"{folder}/fernet"), ("credential", f"{folder}/credential")):
        utils = fernet_utils.FernetUtils(keys, 3, name)
        utils.create_key_directory()
        utils.initialize_key_repository()
    b = bootstrap.Bootstrapper()        # it loads the tables' descriptions
    with sql.session_for_write() as session:
        sql.ModelBase.metadata.create_all(session.get_bind())
    write_ahead(f"{folder}/keystone.db")
    b.project_name, b.project_id, b.admin_username, b.admin_password = "admin", None, "admin", PASSWORD
    b.admin_role_name, b.region_id, b.service_name, b.immutable_roles = "admin", "RegionOne", "keystone", False
    b.public_url = b.internal_url = b.admin_url = f"http://127.0.0.1:{port}/v3/"
    b.bootstrap()


def keystone(folder, port):
    sys.argv = ["keystone"]
    os.environ["OS_KEYSTONE_CONFIG_FILES"] = f"{folder}/keystone.conf"
    from keystone.server.flask import core
    apart(bootstrap_keystone, folder, port)
    serve(core.initialize_application("public", config_files=core._get_config_files()), port)


def configure_nova(folder):
    from nova import config, context, objects
    config.parse_args(["nova", "--config-file", f"{folder}/nova.conf"])
    objects.register_all()
    return objects, context


def add_instance(objects, cell_context, context, cell, flavor, uuid, name):
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    i = objects.Instance(
        cell_context, uuid=uuid, project_id=PROJECT, user_id=USER, host="compute-0", node="compute-0", display_name=name,
        hostname=name, vm_state="active", task_state=None, power_state=1, image_ref=IMAGE, kernel_id="", ramdisk_id="",
        memory_mb=64, vcpus=1, root_gb=1, ephemeral_gb=0, reservation_id="r-1", launched_at=now, launch_index=0,
        instance_type_id=flavor.id, availability_zone="nova", config_drive="", auto_disk_config=True, os_type=None,
        architecture="x86_64", metadata={"metering.server_group": "corp", "owner": "demo"}, system_metadata={},
        flavor=flavor, old_flavor=None, new_flavor=None, numa_topology=None, pci_requests=None,
        root_device_name="/dev/vda", locked=False, progress=0, security_groups=objects.SecurityGroupList())
    i.create()
    cache = objects.InstanceInfoCache.get_by_instance_uuid(cell_context, uuid)
    from nova.network import model
    cache.network_info = model.NetworkInfo([])
    cache.save()
    objects.InstanceMapping(context, instance_uuid=uuid, cell_mapping=cell, project_id=PROJECT, user_id=USER,
                            queued_for_delete=False).create()


def fill_nova(folder, instances):
    objects, context = configure_nova(folder)
    from nova.db.api import api as api_db
    from nova.db.api import models as api_models
    from nova.db.main import api as main_db
    from nova.db.main import models
    import nova.conf
    main_db.configure(nova.conf.CONF)
    api_db.configure(nova.conf.CONF)
    models.BASE.metadata.create_all(main_db.get_engine())
    api_models.BASE.metadata.create_all(api_db.get_engine())
    for name in ("nova", "nova_api"):
        write_ahead(f"{folder}/{name}.db")
    ctx = context.get_admin_context()
    cell = objects.CellMapping(ctx, uuid="a0000000-0000-4000-8000-000000000001", name="cell1", transport_url="fake:/",
                               database_connection=f"sqlite:///{folder}/nova.db", disabled=False)
    cell.create()
    flavor = objects.Flavor(ctx, flavorid="42", name="m1.nano", memory_mb=64, vcpus=1, root_gb=1, ephemeral_gb=0,
                            swap=0, rxtx_factor=1.0, vcpu_weight=0, disabled=False, is_public=True)
    flavor.create()
    flavor = objects.Flavor.get_by_flavor_id(ctx, "42")
    with context.target_cell(ctx, cell) as c:
        objects.Service(c, host="compute-0", binary="nova-compute", topic="compute", report_count=1,
                        last_seen_up=datetime.datetime.now(datetime.timezone.utc)).create()
        objects.HostMapping(ctx, host="compute-0", cell_mapping=cell).create()
        for uuid, name in instances.items():
            add_instance(objects, c, ctx, cell, flavor, uuid, name)


def apart(what, *arguments):
    """In a process of its own, since both projects take their configuration and databases once a process."""
    child = os.fork()
    if child == 0:
        try:
            what(*arguments)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    if os.waitpid(child, 0)[1]:
        raise SystemExit(f"{what.__name__} failed")


def nova(folder, port, instances):
    if json.loads(instances):
        apart(fill_nova, folder, json.loads(instances))
    os.environ["OS_NOVA_CONFIG_DIR"] = folder
    import nova.conf
    from nova.api.openstack import wsgi_app
    nova.conf.CONF.reset()
    sys.argv = ["nova"]
    serve(wsgi_app.init_application("osapi_compute"), port)


def act(folder, verb, uuid, *rest):
    objects, context = configure_nova(folder)
    ctx = context.get_admin_context()
    cell = objects.CellMapping.get_by_uuid(ctx, "a0000000-0000-4000-8000-000000000001")
    with context.target_cell(ctx, cell) as c:
        i = objects.Instance.get_by_uuid(c, uuid)
        if verb == "destroy":
            i.vm_state = "deleted"
            i.save()
            i.destroy()
        elif verb == "host":
            i.host = rest[0]
            i.save()
        elif verb == "no_flavor":
            objects.Flavor.get_by_flavor_id(ctx, i.flavor.flavorid).destroy()
        else:
            i.display_name = rest[0]
            i.save()


class Real:
    def __init__(self, folder, image_port, instances, page=1000):
        self.dir, self.processes, self.instances = folder, {}, instances
        self.port, self.nova_port = rabbit.free_ports(2)
        self.base = f"http://127.0.0.1:{self.port}/v3"
        self.values = {"dir": folder, "keystone": self.port, "page": page, "password": PASSWORD, "stub": image_port,
                       "lifetime": 3600}
        self.write("nova.conf", NOVA)
        self.write("api-paste.ini", PASTE)
        self.write("keystone.conf", KEYSTONE)
        self.run("keystone", folder, self.port)
        self.run("nova", folder, self.nova_port, json.dumps(instances))
        try:
            self.until(self.base)
            self.fill()
            self.until(f"http://127.0.0.1:{self.nova_port}/v2.1/", 401)
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def run(self, *args):
        with open(f"{self.dir}/{args[0]}.out", "ab") as out:
            self.processes[args[0]] = subprocess.Popen(["/usr/bin/python3", __file__, *map(str, args)], stdout=out, stderr=out,
                                                       stdin=subprocess.DEVNULL)

    def write(self, name, text):
        with open(f"{self.dir}/{name}", "w", encoding="utf-8") as f:
            f.write(text.format(**self.values))

    def stop(self):
        for name in list(self.processes):
            self.kill(name)

    def kill(self, name):
        p = self.processes.pop(name)
        p.kill()
        p.wait()

    def nova_again(self):
        """After kill("nova"): on the port and with the instances that it had."""
        self.run("nova", self.dir, self.nova_port, "null")
        self.until(f"http://127.0.0.1:{self.nova_port}/v2.1/", 401)

    def keystone_again(self, lifetime=3600):
        """After kill("keystone"); with tokens that live so many seconds."""
        self.values["lifetime"] = lifetime
        self.write("keystone.conf", KEYSTONE)
        self.run("keystone", self.dir, self.port)
        self.until(self.base)

    def act(self, *args):
        subprocess.run(["/usr/bin/python3", __file__, "act", self.dir, *args], check=True, capture_output=True)

    def ask(self, method, url, body=None, token=None):
        headers = {"Content-Type": "application/json", **({"X-Auth-Token": token} if token else {})}
        request = urllib.request.Request(url, method=method, headers=headers,
                                         data=json.dumps(body).encode() if body else None)
        try:
            with urllib.request.urlopen(request) as f:
                return f.status, json.loads(f.read() or b"null"), f.headers
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode(), e.headers

    def until(self, url, status=200, seconds=300):
        end = time.monotonic() + seconds
        while True:
            try:
                if self.ask("GET", url)[0] == status:
                    return
            except OSError:
                pass
            dead = [name for name, p in self.processes.items() if p.poll() is not None]
            if dead or time.monotonic() > end:
                raise RuntimeError("".join(f"{name}: {open(f'{self.dir}/{name}.out', errors='replace').read()[-1500:]}\n"
                                           for name in dead or ("keystone", "nova")))
            time.sleep(0.1)

    def log_in(self, name, project):
        """A token, and what Keystone says of it."""
        domain = {"name": "Default"}
        code, body, headers = self.ask("POST", f"{self.base}/auth/tokens", {"auth": {
            "identity": {"methods": ["password"], "password": {"user": {"name": name, "password": PASSWORD, "domain": domain}}},
            "scope": {"project": {"name": project, "domain": domain}}}})
        assert code == 201, (code, body)
        return headers["X-Subject-Token"], body["token"]

    def make(self, kind, token=None, path=None, **members):
        code, body, _ = self.ask("POST", f"{self.base}/{path or kind + 's'}", {kind: members}, token or self.token)
        assert code == 201, (code, body)
        return body[kind]

    def grant(self, on, user):
        """The role of an administrator; `on`: what of, as "projects/ID", "domains/ID", "system"."""
        code, body, _ = self.ask("PUT", f"{self.base}/{on}/users/{user}/roles/{self.role}", token=self.token)
        assert code == 204, (code, body)

    def region(self, name, nova):
        """Of the catalogue, with another way to Nova."""
        for kind, url in (("compute", f"{nova}/v2.1"), ("image", f"http://127.0.0.1:{self.values['stub']}/image")):
            self.make("endpoint", service_id=self.services[kind], interface="public", url=url, region=name)

    def revoke(self, token):
        request = urllib.request.Request(f"{self.base}/auth/tokens", method="DELETE",
                                         headers={"X-Auth-Token": self.token, "X-Subject-Token": token})
        with urllib.request.urlopen(request) as f:
            assert f.status == 204

    def fill(self):
        self.token, _ = self.log_in("admin", "admin")
        project = self.make("project", name="service", domain_id="default")["id"]
        self.role = self.ask("GET", f"{self.base}/roles?name=admin", token=self.token)[1]["roles"][0]["id"]
        self.users = {name: self.make("user", name=name, password=PASSWORD, domain_id="default")["id"]
                      for name in ("nova", "ceilometer")}
        for user in self.users.values():
            self.grant(f"projects/{project}", user)
        self.services = {kind: self.make("service", type=kind, name=kind)["id"] for kind in ("compute", "image")}
        self.region("RegionOne", f"http://127.0.0.1:{self.nova_port}")

    def options(self):
        return {"auth_type": "password", "auth_url": self.base, "username": "ceilometer", "password": PASSWORD, "project_name": "service",
                "user_domain_name": "Default", "project_domain_name": "Default", "region_name": "RegionOne", "timeout": 20}


if __name__ == "__main__":
    sys.path.pop(0)     # its openstack.py is not the one that Nova means
    {"keystone": lambda d, p: keystone(d, int(p)), "nova": lambda d, p, i: nova(d, int(p), i), "act": act}[sys.argv[1]](
        *sys.argv[2:])
