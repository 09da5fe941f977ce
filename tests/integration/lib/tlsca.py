# SPDX-License-Identifier: Apache-2.0
"""Certificates for a test, by openssl: an authority of its own and what it signs."""
import os
import subprocess


def _openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True, stdin=subprocess.DEVNULL)


class Authority:
    def __init__(self, folder, name="ca"):
        os.makedirs(folder, exist_ok=True)
        self.dir, self.cert, self.key = folder, f"{folder}/{name}.pem", f"{folder}/{name}.key"
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
                 "-subj", f"/CN=test {name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
                 "-keyout", self.key, "-out", self.cert)

    def leaf(self, name, cn, usage, alternative=None, days=3650):
        """NAME.pem and NAME.key; `days` below zero: expired."""
        base = f"{self.dir}/{name}"
        with open(f"{base}.ext", "w") as f:
            f.write(f"extendedKeyUsage={usage}\nbasicConstraints=CA:FALSE\n")
            if alternative:
                f.write(f"subjectAltName={alternative}\n")
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={cn}",
                 "-keyout", f"{base}.key", "-out", f"{base}.csr")
        if days < 0:
            # a certificate of yesterday: `openssl ca` takes dates, x509 does not
            open(f"{base}.index", "w").close()
            with open(f"{base}.cnf", "w") as f:
                f.write(f"[ca]\ndefault_ca=c\n[c]\ndatabase={base}.index\nnew_certs_dir={self.dir}\nserial={base}.serial\n"
                        "default_md=sha256\npolicy=p\nemail_in_dn=no\nunique_subject=no\nrand_serial=yes\n"
                        "[p]\ncommonName=supplied\n")
            _openssl("ca", "-batch", "-config", f"{base}.cnf", "-cert", self.cert, "-keyfile", self.key, "-in",
                     f"{base}.csr", "-out", f"{base}.pem", "-startdate", "20200101000000Z", "-enddate",
                     "20200102000000Z", "-notext", "-extfile", f"{base}.ext")
        else:
            _openssl("x509", "-req", "-in", f"{base}.csr", "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial",
                     "-days", str(days), "-out", f"{base}.pem", "-extfile", f"{base}.ext")
        return f"{base}.pem", f"{base}.key"
