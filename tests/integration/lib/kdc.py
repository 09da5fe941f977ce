# SPDX-License-Identifier: Apache-2.0
"""A Kerberos KDC of the test's own, on loopback, and accounts for NTLM: what a GSS-API acceptor needs."""
import os
import shutil
import socket
import subprocess
import tempfile
import time

import private

REALM = "VIRTMETER.TEST"


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Kdc:
    """`server`: environment of whoever accepts; `client`: of whoever asks."""

    def __init__(self, user="meter", password="s3cret-w0rd", host="localhost"):
        for program, package in (("krb5kdc", "krb5-kdc"), ("kinit", "krb5-user")):
            if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
                raise private.Missing(f"{program} is missing: install {package}")
        self.dir, self.port = tempfile.mkdtemp(prefix="vm-kdc-"), free_port()
        self.conf, self.user, self.password, self.host = f"{self.dir}/krb5.conf", user, password, host
        self.keytab, self.client_keytab = f"{self.dir}/server.keytab", f"{self.dir}/client.keytab"
        self.write()
        self.env = dict(os.environ, KRB5_CONFIG=self.conf, KRB5_KDC_PROFILE=f"{self.dir}/kdc.conf",
                        PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")
        self.process = None

    def write(self):
        with open(self.conf, "w") as f:
            f.write(f"[libdefaults]\ndefault_realm = {REALM}\ndns_lookup_kdc = false\ndns_lookup_realm = false\nrdns = false\n"
                    f"dns_canonicalize_hostname = false\n[realms]\n{REALM} = {{\n kdc = 127.0.0.1:{self.port}\n}}\n"
                    f"[domain_realm]\n{self.host} = {REALM}\n")
        with open(f"{self.dir}/kdc.conf", "w") as f:
            f.write(f"[kdcdefaults]\nkdc_listen = 127.0.0.1:{self.port}\nkdc_tcp_listen = 127.0.0.1:{self.port}\n[realms]\n"
                    f"{REALM} = {{\n database_name = {self.dir}/principal\n key_stash_file = {self.dir}/stash\n"
                    f" acl_file = {self.dir}/acl\n}}\n[logging]\nkdc = FILE:{self.dir}/log\n")

    def run(self, *args):
        done = subprocess.run(args, env=self.env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise private.Failed(f"{args[0]}: {done.stderr}")

    def __enter__(self):
        self.run("kdb5_util", "create", "-s", "-r", REALM, "-P", "master")
        self.run("kadmin.local", "addprinc", "-pw", self.password, self.user)
        self.run("kadmin.local", "addprinc", "-randkey", f"HTTP/{self.host}")
        self.run("kadmin.local", "ktadd", "-k", self.keytab, f"HTTP/{self.host}")
        self.run("kadmin.local", "ktadd", "-norandkey", "-k", self.client_keytab, self.user)
        self.start()
        return self

    def start(self):
        self.process = subprocess.Popen(["krb5kdc", "-n", "-P", f"{self.dir}/pid"], env=self.env, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise private.Failed("krb5kdc does not listen")

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def server(self, ntlm_domain="WIN-HV01"):
        """To be set before the acceptor's first call."""
        users = f"{self.dir}/ntlm"
        with open(users, "w") as f:
            f.write(f"{ntlm_domain}:{self.user}:{self.password}\n")
        return {"KRB5_CONFIG": self.conf, "KRB5_KTNAME": self.keytab, "NTLM_USER_FILE": users}

    def client(self, **more):
        """Nothing of the tester's own."""
        return {"KRB5_CONFIG": self.conf, "KRB5CCNAME": f"FILE:{self.dir}/cache", "NTLM_USER_FILE": "", "KRB5_KTNAME": "",
                **more}
