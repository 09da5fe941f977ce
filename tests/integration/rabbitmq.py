#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""rpc://, notifier:// and polling:// against a real RabbitMQ and real readers: what goes over the wire is what
Ceilometer 19.0.0 sent (golden19/amqp), oslo.messaging's RPC server and Ceilometer's notification agent take it,
and Ceilometer's own code accepts every signature."""
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import agent
import peers
import private
import rabbit
import tap
import tlsca

HERE = os.path.dirname(os.path.abspath(__file__))
SECRET = "change this for valid signing"


def golden(name):
    with open(f"{HERE}/golden19/amqp/{name}.json", encoding="utf-8") as f:
        return json.load(f)


def publish(urls, cycles=1, profile="19", options=None, seconds=90):
    """One run of simulated instances; the agent's samples by id (from a file), its status, its log."""
    options = {s: dict(v) for s, v in (options or {}).items()}
    options.setdefault("virtmeter", {})["meter_profile"] = profile
    urls = [urls] if isinstance(urls, str) else list(urls)
    with agent.Agent("", 1, publishers=[*urls, "file://{dir}/samples.json?json"], options=options,
                     args=["--demo", "--cycles", str(cycles)]) as a:
        a.process.wait(seconds)
        with open(a.file, encoding="utf-8") as f:
            samples = {s["id"]: s for s in map(json.loads, f)}
        return samples, a.process.returncode, a.log()


def shape(value):
    """Keys in their order and kinds of values, all the way down but for metadata."""
    if isinstance(value, dict):
        return {k: "metadata" if k == "resource_metadata" else shape(v) for k, v in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def keys(value):
    return [list(value), list(value["payload"]) if isinstance(value["payload"], dict) else "list"]


def one_sample(inner):
    payload = inner["payload"]
    return (payload["samples"] if isinstance(payload, dict) else payload)[0]


def compare(t, what, message, wanted_body, wanted_properties):
    wanted = rabbit.Message("", "", {}, wanted_body.encode())
    t.same(message.properties, wanted_properties, f"{what}: properties as Ceilometer's")
    t.same(list(message.outer), list(wanted.outer), f"{what}: envelope as Ceilometer's")
    t.same(keys(message.inner), keys(wanted.inner), f"{what}: keys of the message, in their order")
    got, there = message.inner, wanted.inner
    same = ("event_type", "priority", "publisher_id")
    t.same({k: got[k] for k in same}, {k: there[k] for k in same}, f"{what}: who says what")
    t.same(list(one_sample(got)), list(one_sample(there)), f"{what}: keys of a sample, in their order")
    t.same({k: v for k, v in shape(one_sample(got)).items() if k != "monotonic_time"},
           {k: v for k, v in shape(one_sample(there)).items() if k != "monotonic_time"}, f"{what}: kinds of values")


def all_there(t, what, samples, messages):
    got = [s["message_id"] for m in messages for s in m.samples]
    t.ok(len(got) == len(set(got)) and set(got) == set(samples), f"{what}: every sample once",
         f"{len(got)} samples, {len(set(got))} different, {len(samples)} made")


def asked(said):
    """Methods without repetitions; `mandatory` is ours and left out."""
    out = []
    for m in peers.methods(said)[0]:
        m["args"].pop("mandatory", None)
        if m not in out and m["method"] != "channel.open":
            out.append(m)
    return out


def declarations(t, what, said, wanted):
    wanted = [{"method": m["method"], "args": {k: v for k, v in m["args"].items() if k != "mandatory"}}
              for m in wanted if m["method"] != "channel.open"]
    order = [m for m in asked(said) if m in wanted]
    t.same(sorted(map(json.dumps, asked(said))), sorted(map(json.dumps, wanted)), f"{what}: asks for what Ceilometer asks")
    names = [m["method"] for m in order if m["method"] != "confirm.select"]
    t.ok(names.index("queue.declare") < names.index("queue.bind") < names.index("basic.publish"),
         f"{what}: declares before it publishes", names)


def wire(t, mq):
    relay = peers.Relay(mq.port)
    variants = (
        ("default", {}, ["notifications.sample"]),
        ("durable-topics-batch3", {"oslo_messaging_rabbit": {"amqp_durable_queues": "true"}, "polling": {
            "batch_size": 3}, "oslo_messaging_notifications": {"topics": "alpha,beta"}}, ["alpha.sample", "beta.sample"]),
        ("unsigned-v1-nobatch", {"polling": {"batch_size": 0}, "publisher": {"telemetry_secret": ""},
                                 "publisher_notifier": {"telemetry_driver": "messaging"}}, ["notifications.sample"]),
    )
    for name, options, queues in variants:
        there = golden(name)
        conf = {s: dict(v) for s, v in options.items()}
        conf.setdefault("DEFAULT", {})["transport_url"] = mq.url("rabbit", port=relay.port)
        samples, code, log = publish("polling://", options=conf)
        t.ok(code == 0, f"{name}: the agent ends well", log)
        said = relay.said[-1]
        for queue in queues:
            messages = mq.take(queue)
            all_there(t, f"{name}: {queue}", samples, messages)
            compare(t, f"{name}: {queue}", messages[0], there["body"], there["properties"])
            limit = conf.get("polling", {}).get("batch_size", 50) or 10 ** 6
            t.ok(all(len(m.samples) <= limit and len({s["counter_name"] for s in m.samples}) == 1 for m in messages),
                 f"{name}: {queue}: one meter a message, batch_size at most")
        if name == "default":
            good = peers.signatures([s for m in messages for s in m.samples], SECRET)
            t.ok(isinstance(good, list) and len(good) == len(samples) and all(good),
                 "Ceilometer's verify_signature accepts every sample", good)
        if name.startswith("unsigned"):
            t.ok(all(s["message_signature"] == "" for m in messages for s in m.samples), "no secret, no signature")
        declarations(t, name, said, there["methods"])
        t.same(sorted(set(peers.methods(said)[1])), [there["header"]["flags"]], f"{name}: flags of the header")
        mandatory = [m["args"]["mandatory"] for m in peers.methods(said)[0] if m["method"] == "basic.publish"]
        t.ok(mandatory and all(mandatory), f"{name}: main copies are mandatory")
        for queue in queues:
            mq.ctl("delete_queue", "-p", rabbit.VHOST, queue)
        mq.forget_exchange()
    relay.close()


def notifier(t, mq):
    there = golden("notifier")
    samples, code, log = publish(mq.url("notifier", "?policy=queue&max_queue_length=10&max_retry=3"))
    messages = mq.take("metering.sample")
    t.ok(code == 0, "notifier: the agent ends well", log)
    all_there(t, "notifier", samples, messages)
    compare(t, "notifier", messages[0], there["body"], there["properties"])
    t.same((messages[0].exchange, messages[0].key), (there["exchange"], there["routing_key"]), "notifier: exchange and key")
    samples, code, log = publish(mq.url("notifier", "?per_meter_topic=1&topic=a&topic=b&driver=rabbit"))
    for queue in ("a.sample", "b.sample"):
        messages = mq.take(queue)
        events = [m.inner["event_type"] for m in messages]
        main = [m for m in messages if m.inner["event_type"] == "metering"]
        all_there(t, f"notifier: {queue}", samples, main)
        t.same(sorted(e for e in events if e != "metering"),
               sorted(f"metering.{m.samples[0]['counter_name']}" for m in main), f"notifier: {queue}: copies by meter")
    juno, code, log = publish(mq.url("notifier", "?topic=juno"), profile="juno")
    messages = mq.take("juno.sample")
    all_there(t, "notifier of Juno", juno, messages)
    inner = messages[0].inner
    t.same((inner["publisher_id"], inner["event_type"], inner["_context_user_identity"], inner["_context_auth_token"]),
           ("metering.publisher.compute-0", "metering", "admin admin - - -", None), "notifier of Juno: sender and context")


def rpc(t, mq):
    url = mq.url("rabbit")
    with peers.RpcServer(url) as server:
        rabbit.until(server.ready, 60, "oslo.messaging's RPC server")
        with mq.connect() as c:
            channel = c.channel()
            channel.queue_declare("by-meter", auto_delete=False)
            channel.queue_bind("by-meter", "ceilometer", "metering.cpu")
        samples, code, log = publish(mq.url("rpc", "?per_meter_topic=1"), profile="juno")
        t.ok(code == 0, "rpc: the agent ends well, copies by meter without a queue notwithstanding", log)
        rabbit.until(lambda: sum(len(x["data"]) for x in server.calls()) >= len(samples), 30, "casts")
        got = [s["message_id"] for x in server.calls() for s in x["data"]]
        t.ok(sorted(got) == sorted(samples), "oslo.messaging's RPC server was called with every sample once",
             f"{len(got)} of {len(samples)}")
        t.same(server.calls()[0]["context"]["user_identity"], "admin admin - - -", "rpc: the context arrives")
        copies = mq.take("by-meter")
        t.ok(copies and all(s["counter_name"] == "cpu" for m in copies for s in m.samples), "rpc: copies by meter's key")
        for alias in ("meter", "meter_publisher"):
            before = len(server.calls())
            samples, code, log = publish(mq.url(alias), profile="juno")
            rabbit.until(lambda: sum(len(x["data"]) for x in server.calls()[before:]) >= len(samples), 30, alias)
            t.ok(code == 0, f"{alias}:// is rpc://", log)
    with mq.connect() as c:
        channel = c.channel()
        channel.queue_declare("else", auto_delete=False)
        channel.queue_bind("else", "ceilometer", "elsewhere")
    publish(mq.url("rpc", "?target=other_method"), options={"publisher_rpc": {"metering_topic": "elsewhere"}})
    inner = mq.take("else")[0].inner
    t.same((inner["method"], inner["version"], "namespace" in inner), ("other_method", "1.0", False),
           "rpc: target and topic")


def ceilometer(t, mq):
    with peers.NotificationAgent(mq.url("rabbit")) as there:
        rabbit.until(lambda: any(q["consumers"] for q in mq.listed("list_queues", "name", "consumers")
                                 if q["name"] == "notifications.sample"), 90, "the notification agent listens")
        samples, code, log = publish(mq.url("polling"), cycles=2)
        rabbit.until(lambda: len(there.samples()) >= len(samples) or not there.process.process.poll() is None, 90,
                     "ceilometer-agent-notification writes")
        got = {s["id"]: s for s in there.samples()}
        t.ok(code == 0 and set(got) == set(samples), "ceilometer-agent-notification 19 writes every sample",
             f"{len(got)} of {len(samples)}")
        ours = ("name", "type", "unit", "volume", "user_id", "project_id", "resource_id", "timestamp",
                "resource_metadata", "source")
        t.none([f"{k}: {got[i][k]!r} of {samples[i][k]!r}" for i in got for k in ours
                if got[i][k] != samples[i][k]], "and each with all its values")
        bad = [x for x in there.process.log().splitlines() if " ERROR " in x or " CRITICAL " in x]
        t.none(bad, "and complains of nothing")


def queues(t, mq):
    """Kinds of queues, and what was there before with other properties."""
    rows = (("quorum", "?rabbit_quorum_queue=true&rabbit_quorum_delivery_limit=5&topic=q1",
             {"durable": True, "auto_delete": False, "arguments": {"x-queue-type": "quorum", "x-delivery-limit": 5}}),
            ("durable", "?amqp_durable_queues=1&topic=q2", {"durable": True, "auto_delete": False, "arguments": {}}),
            ("mirrored", "?rabbit_ha_queues=true&topic=q3",
             {"durable": False, "auto_delete": False, "arguments": {"x-ha-policy": "all"}}))
    with mq.connect() as c:
        channel = c.channel()
        channel.exchange_declare("early", "topic", durable=False, auto_delete=False)
        channel.queue_declare("early.sample", durable=True, auto_delete=False, arguments={"x-max-length": 100000})
    for name, rest, wanted in rows:
        exchange = {"DEFAULT": {"control_exchange": f"ex-{name}"}}
        samples, code, log = publish(mq.url("notifier", rest), options=exchange)
        queue = rest.split("topic=")[1] + ".sample"
        there = [q for q in mq.listed("list_queues", "name", "durable", "auto_delete", "arguments") if q["name"] == queue]
        arguments = {a[0]: a[-1] for a in there[0]["arguments"]} if there and isinstance(there[0]["arguments"], list) \
            else there and there[0]["arguments"]
        t.same({**there[0], "arguments": arguments}, {"name": queue, **wanted}, f"{name} queue: as asked for")
        all_there(t, f"{name} queue", samples, mq.take(queue))
    samples, code, log = publish(mq.url("notifier", "?amqp_durable_queues=1&topic=early"),
                                 options={"DEFAULT": {"control_exchange": "early"}})
    t.ok(code == 0 and "used as it is" in log, "an exchange and a queue of other properties are used as they are", log)
    all_there(t, "406 fallback", samples, mq.take("early.sample"))


def tls(t, mq):
    ca = mq.ca
    other = tlsca.Authority(f"{mq.dir}/other")
    client = ca.leaf("client", rabbit.USER, "clientAuth")
    rogue = other.leaf("rogue", rabbit.USER, "clientAuth")
    good = f"ssl=1&ssl_ca_file={ca.cert}"
    rows = (("TLS", f"?{good}", "127.0.0.1", None),
            ("TLS by name, client certificate", f"?{good}&ssl_cert_file={client[0]}&ssl_key_file={client[1]}", "localhost", None),
            ("TLS without a check", "?ssl=1&amqp_ssl_verify=0", "127.0.0.1", None),
            ("unknown authority", f"?ssl=1&ssl_ca_file={other.cert}", "127.0.0.1", "unknown authority.*ssl_ca_file"),
            ("the system's authorities", "?ssl=1", "127.0.0.1", "unknown authority"),
            ("wrong host", f"?{good}", "127.0.0.2", "is not for 127.0.0.2"),
            ("rogue client", f"?{good}&ssl_cert_file={rogue[0]}&ssl_key_file={rogue[1]}", "127.0.0.1", "TLS off|unknown ca|alert"),
            ("no such file", "?ssl=1&ssl_ca_file=/no/such.pem", "127.0.0.1", "/no/such.pem: .*No such file"),
            ("not TLS on the other side", f"?{good}", "plain", "wrong version|packet|TLS"))
    for name, rest, host, complaint in rows:
        port = mq.port if host == "plain" else mq.tls_port
        host = "127.0.0.1" if host == "plain" else host
        trouble(t, name, mq.url("polling", rest, port=port, host=host), complaint)
        if not complaint:
            t.ok(mq.take("notifications.sample"), f"{name}: messages arrive")
    with mq.connect() as c:
        channel = c.channel()
        channel.exchange_declare("ceilometer", "topic", durable=False, auto_delete=False)
        channel.queue_declare("else", auto_delete=False)
        channel.queue_bind("else", "ceilometer", "elsewhere")
    samples, code, log = publish("rpc://", options={"DEFAULT": {
        "rabbit_use_ssl": "true", "rabbit_host": "localhost", "rabbit_port": mq.tls_port, "rabbit_userid": rabbit.USER,
        "rabbit_password": rabbit.PASSWORD, "rabbit_virtual_host": rabbit.VHOST, "kombu_ssl_ca_certs": ca.cert,
        "rabbit_login_method": "AMQPLAIN"}, "publisher_rpc": {"metering_topic": "elsewhere"}})
    all_there(t, "Juno's own options: rabbit_use_ssl, AMQPLAIN", samples, mq.take("else"))


def external(t, mq):
    """Login by the client's certificate, whose name is the user's; the URL's user and password do not count."""
    who = {name: mq.ca.leaf(f"as-{name}", name, "clientAuth") for name in (rabbit.USER, "nobody")}
    url = f"?ssl=1&ssl_ca_file={mq.ca.cert}&rabbit_login_method=EXTERNAL"
    rows = (("a user's certificate", rabbit.USER, None), ("nobody's certificate", "nobody", "by certificate.*ACCESS_REFUSED"),
            ("no certificate", None, "by certificate.*ACCESS_REFUSED|login.*refused"))
    for name, user, complaint in rows:
        files = f"&ssl_cert_file={who[user][0]}&ssl_key_file={who[user][1]}" if user else ""
        trouble(t, f"EXTERNAL, {name}", mq.url("polling", url + files, port=mq.tls_port, user="other", password="wrong"),
                complaint)
        t.ok(bool(mq.take("notifications.sample")) == (complaint is None), f"EXTERNAL, {name}: messages arrive only for a user")


def peer(mq):
    """Common names of the client's certificate and of its issuer, of the only connection."""
    there = [c for c in mq.listed_all("list_connections", "peer_cert_subject", "peer_cert_issuer")
             if c["peer_cert_subject"]]
    return (there[0]["peer_cert_subject"], there[0]["peer_cert_issuer"]) if len(there) == 1 else (there, None)


def certificates(t, mq):
    """An expired certificate is told by its date; other certificates count from a reload on, whether the files were
    overwritten or others were named, and no sample is lost on the way."""
    old, new = mq.ca, tlsca.Authority(f"{mq.dir}/new", "next")
    files = f"{mq.dir}/client.pem", f"{mq.dir}/client.key", f"{mq.dir}/trusted.pem"
    mq.certify(days=-1)
    trouble(t, "expired certificate", mq.url("polling", f"?ssl=1&ssl_ca_file={old.cert}", port=mq.tls_port),
            "certificate of localhost.*expired.*2020-01-02|expired.*2020-01-02")
    kept = tlsca.Authority.__new__(tlsca.Authority)     # the broker's file of it is overwritten below
    kept.dir, kept.key, kept.cert = old.dir, old.key, f"{mq.dir}/old.pem"
    shutil.copyfile(old.cert, kept.cert)
    mq.certify(kept)

    def client(ca, name):
        for to, of in zip(files, (*ca.leaf(name, name, "clientAuth"), ca.cert)):
            shutil.copyfile(of, f"{to}.next")
            os.replace(f"{to}.next", to)

    client(kept, "first")
    tls_options = {"ssl": "true", "ssl_ca_file": files[2], "ssl_cert_file": files[0], "ssl_key_file": files[1]}
    with agent.Agent("", 1, meters=["cpu"], publishers=["polling://", "file://{dir}/samples.json?json"], args=["--demo"],
                     options={"DEFAULT": {"transport_url": mq.url("rabbit", port=mq.tls_port)},
                              "oslo_messaging_rabbit": tls_options}) as a:
        a.wait(lambda: peer(mq) == ("CN=first", "CN=test ca"), 60, "the first certificate")
        client(kept, "second")
        t.same(a.reload().returncode, 0, "files overwritten: the reload is taken")
        a.wait(lambda: peer(mq) == ("CN=second", "CN=test ca"), 60, "the second certificate")
        t.ok("certificates were replaced" in a.log(), "files overwritten: told", a.log())
        mq.certify(new)
        client(new, "third")
        t.same(a.reload().returncode, 0, "another authority on both sides: the reload is taken")
        a.wait(lambda: peer(mq) == ("CN=third", "CN=test next"), 60, "the third certificate")
        fourth = new.leaf("fourth", "fourth", "clientAuth")
        a.conf["oslo_messaging_rabbit"].update(ssl_ca_file=new.cert, ssl_cert_file=fourth[0], ssl_key_file=fourth[1])
        a.write()
        t.same(a.reload().returncode, 0, "other files named: the reload is taken")
        a.wait(lambda: peer(mq) == ("CN=fourth", "CN=test next"), 60, "the fourth certificate")
        a.stop()
        with open(a.file, encoding="utf-8") as f:
            made = {json.loads(line)["id"] for line in f}
        got = {s["message_id"] for m in mq.take("notifications.sample") for s in m.samples}
        t.ok(got == made, "four certificates: every sample has arrived", f"{len(got)} of {len(made)}; {a.log()[-1500:]}")
    mq.certify(kept)


def trouble(t, name, url, complaint, options=None, deadline=4):
    """With a complaint: it is told in one line while the rest goes on.  Without: all is well."""
    import re
    options = {s: dict(v) for s, v in (options or {}).items()}
    options.setdefault("DEFAULT", {})["graceful_shutdown_timeout"] = deadline if complaint else 60
    samples, code, log = publish(url, options=options)
    lines = [x for x in log.splitlines() if " WARNING " in x or " ERROR " in x]
    if complaint:
        t.ok(any(re.search(complaint, x) and url.split(":")[0] in x for x in lines) and samples, f"{name}: told", log)
        t.ok(rabbit.PASSWORD not in log, f"{name}: without the password", log)
    else:
        t.ok(not lines and code == 0, f"{name}: nothing to complain of", log)


def bad_input(t, mq):
    rows = (
        ("wrong password", mq.url("polling", password="wrong"), "login of user openstack.*ACCESS_REFUSED"),
        ("no such virtual host", mq.url("polling", vhost="nowhere"), "virtual host nowhere.*(NOT_ALLOWED|not found)"),
        ("refused", mq.url("polling", port=rabbit.free_port()), "connect: Connection refused"),
        ("unresolvable", mq.url("polling", host="no-such-host.invalid"), "no-such-host.invalid: "),
    )
    for name, url, complaint in rows:
        trouble(t, name, url, complaint)
    for name, url, complaint in (
            ("parameter", "polling://h/?nonsense=1", "unknown parameter nonsense"),
            ("driver", "notifier://h/?driver=kafka", "driver kafka: only rabbit"),
            ("port", "notifier://h1:5672,h2:99999/", "port that is not a number"),
            ("TLS version", "polling://h/?ssl=1&ssl_version=SSLv3", "ssl_version SSLv3"),
            ("login", "polling://h/?rabbit_login_method=RABBIT-CR-DEMO", "rabbit_login_method"),
            ("both kinds of queue", "polling://h/?rabbit_ha_queues=1&rabbit_quorum_queue=1", "exclude each other")):
        with agent.Agent("", 1, publishers=[url, "file://{dir}/samples.json?json"], args=["--demo", "--cycles", "1"]) as a:
            a.process.wait(60)
            t.ok(complaint in a.log() and os.path.getsize(a.file) > 0, f"{name}: refused, the sink goes on", a.log())
    samples, code, log = publish(mq.url("polling").replace("127.0.0.1", f"127.0.0.1:{rabbit.free_port()},"
                                                           f"{rabbit.USER}:{rabbit.PASSWORD}@127.0.0.1", 1))
    all_there(t, "two hosts, one of them dead", samples, mq.take("notifications.sample"))


def main():
    with tap.Suite("rabbitmq") as t:
        if not os.path.exists("/usr/bin/ceilometer-agent-notification"):
            raise private.Missing("ceilometer-agent-notification is missing (Debian package of that name)")
        with rabbit.Rabbit(tls=True) as mq:
            for part in (wire, notifier, queues, rpc, tls, external, certificates, bad_input, ceilometer):
                if part.__name__ in (sys.argv[1:] or part.__name__):
                    part(t, mq)


main()
