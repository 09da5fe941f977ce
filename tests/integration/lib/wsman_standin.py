# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the WinRM service of a Hyper-V host, because none can be had here: strict, so that a client that
Windows or Microsoft's OMI would refuse is refused.  It is not Windows; what it knows of Windows is what is written in
public captures and manuals.  Its data are CIM instances as JSON: {namespace: {class: [{property: value}]}}, where
{"$ref": class, "keys": {…}} is a reference, {"$datetime": …} and {"$interval": …} are times."""
import base64
import collections
import dataclasses
import http.server
import re
import socketserver
import ssl
import struct
import threading
import time
import uuid
import xml.etree.ElementTree as etree
import xml.parsers.expat
from xml.sax.saxutils import escape, quoteattr

S = "http://www.w3.org/2003/05/soap-envelope"
A = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
N = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
W = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
WMI = "http://schemas.microsoft.com/wbem/wsman/1/wmi/"
WQL = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
CONTEXT_SECONDS = 240       # without a Pull
CIM_SCHEMA = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
ANONYMOUS = A + "/role/anonymous"
WSMAN_FAULT = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"
ACTIONS = {f"{N}/{verb}": verb for verb in ("Enumerate", "Pull", "Release")}
GUID = re.compile(r"uuid:[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$", re.I)
DURATION = re.compile(r"PT(?=\d)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?$")
HEADERS = {(A, "To"), (A, "Action"), (A, "MessageID"), (A, "ReplyTo"), (A, "From"), (A, "RelatesTo"), (W, "ResourceURI"),
           (W, "MaxEnvelopeSize"), (W, "OperationTimeout"), (W, "Locale"), (W, "SelectorSet"), (W, "OptionSet")}


class Fault(Exception):
    """prefix:Subcode as the standards have them, with Windows' code where it is known."""

    def __init__(self, subcode, reason, code=None, sender=True):
        super().__init__(reason)
        self.subcode, self.reason, self.code, self.sender = subcode, reason, code, sender


@dataclasses.dataclass
class Options:
    user: str = "meter"
    password: str = "s3cret-w0rd"
    basic: bool = True
    negotiate: bool = True
    omi: bool = False               # the other dialect
    prefixes: bool = False          # other prefixes than usual
    contexts: int = 10              # that a user may have open
    envelope: int = 512000          # bytes of an answer at most, whatever is asked for
    fewer: bool = False             # fewer items than asked for, and an empty page, at times
    allow_unencrypted: bool = False
    translated: bool = False        # Caption and Description are not English
    nulls: tuple = ()               # properties that are null
    missing: tuple = ()             # properties that are not there, as on older hosts
    no_metrics: tuple = ()          # ElementNames of definitions that are not there


@dataclasses.dataclass
class Injection:
    """What happens to the next `times` requests of an action (and class) in place of an answer."""
    action: str = "*"
    class_name: str = "*"
    times: int = 1
    status: int = 0                 # an HTTP status and nothing else
    delay: float = 0
    cut: bool = False               # the body ends in the middle
    reset: bool = False             # the connection does
    fault: Fault = None
    lost: bool = False              # the request never arrives: nothing comes of it, and the connection is reset
    later: float = 0                # seconds that seem to pass before the next request
    relates_to: str = None
    body: object = None             # bytes, or a function of the right body


class Instances:
    """The data, rendered once an instance."""

    def __init__(self, data, options):
        self.options, self.data, self.cache = options, {}, {}
        for space, classes in data.items():
            self.data[space.lower()] = {name: [self.changed(i) for i in instances if self.is_there(i)]
                                        for name, instances in classes.items()}

    def is_there(self, instance):
        return instance.get("ElementName") not in self.options.no_metrics

    def changed(self, instance):
        o = self.options
        out = {k: None if k in o.nulls else v for k, v in instance.items() if k not in o.missing}
        if o.translated:
            out.update({k: "Virtueller Computer" for k in ("Caption", "Description") if k in out})
        return out

    def find(self, space, name):
        classes = self.data.get(space.lower())
        if classes is None:
            raise Fault("a:DestinationUnreachable", "The WMI namespace does not exist.", 0x8004100E)
        for known, instances in classes.items():
            if known.lower() == name.lower():
                return known, instances
        raise Fault("a:DestinationUnreachable", "The class does not exist.", 0x80041010)

    def text(self, space, name, instance):
        key = id(instance)
        if key not in self.cache:
            self.cache[key] = self.render(space, name, instance)
        return self.cache[key]

    def value(self, space, name, v):
        p = "prop" if self.options.prefixes else "p"
        if v is None or v == []:
            return f'<{p}:{name} xsi:nil="true"/>'
        if isinstance(v, list):
            return "".join(self.value(space, name, x) for x in v)
        if isinstance(v, bool):
            v = str(v).upper() if self.options.omi else str(v).lower()
        if isinstance(v, dict):
            for kind, tag in (("$datetime", "Datetime"), ("$interval", "Interval")):
                if kind in v:
                    inner = v[kind] if self.options.omi else f"<cim:{tag}>{v[kind]}</cim:{tag}>"
                    return f"<{p}:{name}>{inner}</{p}:{name}>"
            keys = "".join(f"<w:Selector Name={quoteattr(k)}>{escape(x)}</w:Selector>" for k, x in sorted(v["keys"].items()))
            epr = (f"<a:Address>{ANONYMOUS}</a:Address><a:ReferenceParameters><w:ResourceURI>{WMI}{space}/{v['$ref']}"
                   f"</w:ResourceURI><w:SelectorSet>{keys}</w:SelectorSet></a:ReferenceParameters>")
            if self.options.omi:
                epr = f"<a:EndpointReference>{epr}</a:EndpointReference>"
            return f'<{p}:{name} xmlns:a="{A}" xmlns:w="{W}">{epr}</{p}:{name}>'
        return f"<{p}:{name}>{escape(str(v))}</{p}:{name}>"

    def render(self, space, name, instance):
        p = "prop" if self.options.prefixes else "p"
        uri = CIM_SCHEMA + name if self.options.omi else f"{WMI}{space}/{name}"
        typed = "" if self.options.omi else f' xsi:type="{p}:{name}_Type"'
        inner = "".join(self.value(space, k, v) for k, v in sorted(instance.items()))
        return (f'<{p}:{name} xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:{p}="{uri}" '
                f'xmlns:cim="http://schemas.dmtf.org/wbem/wscim/1/common"{typed}>{inner}</{p}:{name}>')


class Query:
    """SELECT * FROM class [WHERE property op 'value' [AND …]]."""
    PATTERN = re.compile(r"\s*SELECT\s+\*\s+FROM\s+(\w+)\s*(?:WHERE\s+(.*?))?\s*$", re.I | re.S)
    TERM = re.compile(r"(\w+)\s*(=|<>|LIKE)\s*'((?:[^'\\]|\\.)*)'\s*(AND\b|$)\s*", re.I)

    def __init__(self, text):
        m = self.PATTERN.match(text)
        if not m:
            raise Fault("w:CannotProcessFilter", "The query is not understood.")
        self.name, rest, self.terms = m.group(1), m.group(2) or "", []
        while rest:
            t = self.TERM.match(rest)
            if not t:
                raise Fault("w:CannotProcessFilter", "The query's condition is not understood.")
            self.terms.append((t.group(1), t.group(2).upper(), re.sub(r"\\(.)", r"\1", t.group(3))))
            rest = rest[t.end():]

    @staticmethod
    def holds(value, op, wanted):
        value = "" if value is None else str(value)
        if op == "LIKE":
            pattern = re.escape(wanted).replace("%", ".*").replace("_", ".")
            return re.fullmatch(pattern, value, re.I | re.S) is not None
        return (value.lower() == wanted.lower()) == (op == "=")

    def select(self, instances):
        return [i for i in instances if all(self.holds(i.get(p), op, v) for p, op, v in self.terms)]


class Context:
    def __init__(self, user, uri, space, name, rest, limit):
        self.user, self.uri, self.space, self.name, self.rest = user, uri, space, name, collections.deque(rest)
        self.size = limit

    def rename(self, now):
        self.id, self.since = f"uuid:{str(uuid.uuid4()).upper()}", now


class Message:
    """A request taken apart, or the fault that it is."""

    def __init__(self, body, address, seen, envelope_limit):
        self.id, self.action, self.class_name = None, "", ""
        root = self.parse(body)
        if root.tag != f"{{{S}}}Envelope":
            raise Fault("s:VersionMismatch", "The envelope is not one of SOAP 1.2.")
        head = root.find(f"{{{S}}}Header")
        self.headers = list(head) if head is not None else []
        self.body = list(root.find(f"{{{S}}}Body"))
        self.take_id(seen)
        self.check_understood()
        self.check_addresses(address)
        self.check_limits(envelope_limit)

    @staticmethod
    def parse(body):
        def refuse(*_):
            raise ValueError("a document type")
        look = xml.parsers.expat.ParserCreate()
        look.StartDoctypeDeclHandler = refuse
        look.Parse(body, True)
        return etree.fromstring(body)

    def header(self, space, name, wanted=True):
        for h in self.headers:
            if h.tag == f"{{{space}}}{name}" and (h.text or len(h)):
                return h
        if wanted:
            raise Fault("a:MessageInformationHeaderRequired", f"{name} is not there.")
        return None

    def take_id(self, seen):
        self.id = self.header(A, "MessageID").text
        if not GUID.match(self.id) or self.id in seen:
            raise Fault("a:InvalidMessageInformationHeader", "The MessageID is not new, or not a GUID.")
        seen.add(self.id)

    def check_understood(self):
        for h in self.headers:
            space, _, name = h.tag[1:].partition("}")
            if h.get(f"{{{S}}}mustUnderstand") in ("true", "1") and (space, name) not in HEADERS:
                raise Fault("s:MustUnderstand", f"{name} is not understood.")

    def check_addresses(self, address):
        if self.header(A, "To").text != address:
            raise Fault("a:DestinationUnreachable", f"This is not {self.header(A, 'To').text}.")
        reply = self.header(A, "ReplyTo").find(f"{{{A}}}Address")
        if reply is None or not reply.text:
            raise Fault("a:MessageInformationHeaderRequired", "ReplyTo has no Address.")
        if reply.text != ANONYMOUS:
            raise Fault("w:UnsupportedFeature", "ReplyTo is not anonymous.")
        self.uri = self.header(W, "ResourceURI").text
        self.action = self.header(A, "Action").text
        self.verb = ACTIONS.get(self.action)
        if not self.verb:
            raise Fault("a:ActionNotSupported", f"The action {self.action} is not supported.")
        if len(self.body) != 1 or self.body[0].tag != f"{{{N}}}{self.verb}":
            raise Fault("a:ActionNotSupported", "The body is of another action.")
        self.request = self.body[0]
        self.class_name = self.uri.rpartition("/")[2]

    def check_limits(self, envelope_limit):
        size = self.header(W, "MaxEnvelopeSize", False)
        self.envelope = envelope_limit
        if size is not None:
            if not size.text.isdigit():
                raise Fault("w:InvalidParameter", "MaxEnvelopeSize is not a number.")
            if int(size.text) < 8192:
                raise Fault("w:EncodingLimit", "MaxEnvelopeSize is below 8192.", 0x80338111)
            self.envelope = min(envelope_limit, int(size.text))
        timeout = self.header(W, "OperationTimeout", False)
        if timeout is not None and not DURATION.match(timeout.text):
            raise Fault("w:InvalidOptions", "OperationTimeout is not a duration.")

    def space(self):
        if not self.uri.startswith(WMI) or "/" not in self.uri[len(WMI):]:
            raise Fault("a:DestinationUnreachable", "The resource URI is not known.", 0x8004100E)
        return self.uri[len(WMI):].rpartition("/")[0]

    def max_elements(self, space):
        e = self.request.find(f"{{{space}}}MaxElements")
        if e is None:
            return 1            # as the standard has it
        if not (e.text or "").isdigit() or int(e.text) < 1:
            raise Fault("w:InvalidParameter", "MaxElements is not a positive number.")
        return int(e.text)

    def context(self):
        e = self.request.find(f"{{{N}}}EnumerationContext")
        return e.text if e is not None else ""


class Service:
    """What is behind the connections."""

    def __init__(self, data, options):
        self.options, self.instances = options, Instances(data, options)
        self.contexts, self.seen, self.lock = {}, set(), threading.RLock()
        self.ahead = 0      # of the clock, in seconds
        self.requests, self.injections, self.empty_page_sent = [], [], False
        self.address = None

    def inject(self, **what):
        with self.lock:
            self.injections.append(Injection(**what))

    def injection_for(self, verb, class_name):
        for i in self.injections:
            if i.times and i.action in ("*", verb) and i.class_name in ("*", class_name):
                i.times -= 1
                return i
        return None

    def record(self, verb, class_name, user):
        self.requests.append((verb, class_name, user))

    def verbs(self, verb):
        with self.lock:
            return [c for v, c, _ in self.requests if v == verb]

    def now(self):
        return time.monotonic() + self.ahead

    def forget_old(self):
        self.contexts = {k: c for k, c in self.contexts.items() if self.now() - c.since <= CONTEXT_SECONDS}

    def open_contexts(self):
        with self.lock:
            self.forget_old()
            return len(self.contexts)

    # ---- answers

    def envelope(self, action, relates_to, body):
        if self.options.omi or self.options.prefixes:
            s, a, n, w = "SOAP-ENV", "wsa", "wsen", "wsman"
            body = re.sub(r"(</?)(s|a|n|w):", lambda m: m.group(1) + {"s": s, "a": a, "n": n, "w": w}[m.group(2)] + ":", body)
        else:
            s, a, n, w = "s", "a", "n", "w"
        return (f'<{s}:Envelope xml:lang="en-US" xmlns:{s}="{S}" xmlns:{a}="{A}" xmlns:{n}="{N}" xmlns:{w}="{W}" '
                f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
                f"<{s}:Header><{a}:Action>{action}</{a}:Action><{a}:MessageID>uuid:{str(uuid.uuid4()).upper()}</{a}:MessageID>"
                f"<{a}:To>{ANONYMOUS}</{a}:To><{a}:RelatesTo>{escape(relates_to or '')}</{a}:RelatesTo></{s}:Header>"
                f"<{s}:Body>").encode(), f"</{s}:Body></{s}:Envelope>".encode(), body.encode()

    def whole(self, *parts):
        head, tail, body = self.envelope(*parts)
        return head + body + tail

    def fault(self, f, relates_to):
        action = f"{A}/fault" if f.subcode.startswith("a:") else WSMAN_FAULT
        prefixes = {"SOAP-ENV": S, "wsa": A, "wsen": N, "wsman": W}
        kind = "Sender" if f.sender else "Receiver"
        detail = ""
        if f.code and not self.options.omi:
            detail = (f'<s:Detail><f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="{f.code}" '
                      f'Machine="WIN-HV01"><f:Message>{escape(f.reason)} \r\n</f:Message></f:WSManFault></s:Detail>')
        subcode = ""
        if not f.subcode.startswith("s:"):
            subcode = f"<s:Subcode><s:Value>{f.subcode}</s:Value></s:Subcode>"
        else:
            kind = f.subcode[2:]
        assert prefixes
        return self.whole(action, relates_to,
                          f"<s:Fault><s:Code><s:Value>s:{kind}</s:Value>{subcode}</s:Code><s:Reason>"
                          f'<s:Text xml:lang="en-US">{escape(f.reason)}</s:Text></s:Reason>{detail}</s:Fault>')

    def page(self, m, verb, context, most):
        """As many items as fit; `context` None: not optimized, the context alone."""
        space = "w" if verb == "Enumerate" else "n"
        response = f"{verb}Response"
        action = f"{N}/{response}"
        room = m.envelope - len(self.whole(action, m.id, "")) - 1200
        items, size, count = [], 0, min(most, context.size)
        if self.options.fewer and verb == "Pull":
            count = max(1, count // 2)
            if not self.empty_page_sent:
                self.empty_page_sent, count = True, 0
        while context.rest and len(items) < count:
            text = self.instances.text(context.space, context.name, context.rest[0])
            if size + len(text.encode()) > room:
                if not items:
                    raise Fault("w:EncodingLimit", "One item is larger than the envelope may be.", 0x80338111)
                break
            items.append(text)
            size += len(text.encode())
            context.rest.popleft()
        end = not context.rest
        opened = ""
        if not end or self.options.omi:
            opened = f"<n:EnumerationContext>{context.id if not self.options.omi else abs(hash(context.id)) % 10**9}" \
                     f"</n:EnumerationContext>" if not self.options.omi or not end else "<n:EnumerationContext>1560215552</n:EnumerationContext>"
        elif verb == "Enumerate":
            opened = "<n:EnumerationContext></n:EnumerationContext>"
        body = (f"<n:{response}>{opened}<{space}:Items>{''.join(items)}</{space}:Items>"
                f"{f'<{space}:EndOfSequence/>' if end else ''}</n:{response}>")
        return self.whole(action, m.id, body), end

    def key(self, context):
        return str(abs(hash(context.id)) % 10**9) if self.options.omi else context.id

    def enumerate(self, m, user):
        space, request = m.space(), m.request
        star = m.class_name == "*"
        wql = request.find(f"{{{W}}}Filter")
        if wql is not None and wql.get("Dialect") != WQL:
            raise Fault("w:FilterDialectRequestedUnavailable", "The filter's dialect is not known.")
        if (wql is not None) != star:
            raise Fault("w:InvalidParameter", "The class is * with a filter, and only then.")
        query = Query(wql.text or "") if star else None
        m.class_name = query.name if query else m.class_name
        name, instances = self.instances.find(space, m.class_name)
        most = m.max_elements(W)
        if sum(c.user == user for c in self.contexts.values()) >= self.options.contexts:
            raise Fault("w:QuotaLimit", "The maximum number of concurrent operations for this user has been exceeded.",
                        2150859174)
        context = Context(user, m.uri, space, name, query.select(instances) if query else instances, 32000)
        context.rename(self.now())
        if request.find(f"{{{W}}}OptimizeEnumeration") is None:
            self.contexts[self.key(context)] = context
            return self.whole(f"{N}/EnumerateResponse", m.id,
                              f"<n:EnumerateResponse><n:EnumerationContext>{self.key(context)}</n:EnumerationContext>"
                              f"</n:EnumerateResponse>")
        answer, end = self.page(m, "Enumerate", context, most)
        if not end:
            self.contexts[self.key(context)] = context
        return answer

    def take_context(self, m, user):
        context = self.contexts.pop(m.context(), None)
        if context is None or context.user != user or context.uri != m.uri:
            if self.options.omi:
                raise Fault("a:DestinationUnreachable", "Enumeration context not found")
            raise Fault("n:InvalidEnumerationContext", "The enumeration context is not known.", 2150858779)
        m.class_name = context.name
        return context

    def pull(self, m, user):
        context = self.take_context(m, user)
        most = m.max_elements(N)
        context.rename(self.now())
        answer, end = self.page(m, "Pull", context, most)
        if not end:
            self.contexts[self.key(context)] = context
        return answer

    def release(self, m, user):
        self.take_context(m, user)
        return self.whole(f"{N}/ReleaseResponse", m.id, "<n:ReleaseResponse/>")

    def answer(self, body, user):
        """Status, body and what is to happen to it."""
        with self.lock:
            m, injected = None, None
            self.forget_old()
            try:
                try:
                    m = Message(body, self.address, self.seen, self.options.envelope)
                except (ValueError, etree.ParseError, xml.parsers.expat.ExpatError):
                    return 500, b"", None       # as Windows and OMI do
                wql = m.request.find(f"{{{W}}}Filter")
                name = Query(wql.text).name if wql is not None and wql.text and wql.get("Dialect") == WQL else m.class_name
                if m.verb != "Enumerate" and m.context() in self.contexts:
                    name = self.contexts[m.context()].name
                self.record(m.verb, name, user)
                injected = self.injection_for(m.verb, name)
                if injected and injected.lost:
                    self.seen.discard(m.id)
                    return 0, b"", injected
                if injected and injected.fault:
                    if m.verb != "Enumerate":
                        self.contexts.pop(m.context(), None)
                    raise injected.fault
                out = getattr(self, m.verb.lower())(m, user)
                self.ahead += injected.later if injected else 0
                if injected and injected.relates_to:
                    out = out.replace(m.id.encode(), injected.relates_to.encode())
                if injected and injected.body is not None:
                    out = injected.body(out) if callable(injected.body) else injected.body
                return 200, out, injected
            except Fault as f:
                return 500, self.fault(f, m.id if m else self.id_of(body)), injected

    @staticmethod
    def id_of(body):
        m = re.search(rb"MessageID[^>]*>([^<]*)<", body)
        return m.group(1).decode() if m else ""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    SEALED = re.compile(rb'\A--Encrypted Boundary\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n'
                        rb"\tOriginalContent: type=application/soap\+xml;charset=UTF-8;Length=(\d+)\r\n"
                        rb"--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n(.*)--Encrypted Boundary--\r\n\Z",
                        re.S)

    def setup(self):
        super().setup()
        self.gss, self.user = None, None        # they go with the connection
        self.server.connections += 1
        self.server.sockets.add(self.connection)

    def finish(self):
        self.server.sockets.discard(self.connection)
        try:
            super().finish()
        except OSError:
            pass

    def log_message(self, *_):
        pass

    def reply(self, status, body=b"", headers=(), kind="application/soap+xml;charset=UTF-8"):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if body:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.reply(405)

    def unauthorized(self, token=None):
        o = self.server.service.options
        offers = []
        if token:
            offers.append(("WWW-Authenticate", "Negotiate " + base64.b64encode(token).decode()))
        elif o.negotiate:
            offers += [("WWW-Authenticate", "Negotiate"), ("WWW-Authenticate", "Kerberos")]
        if o.basic and not token:
            offers.append(("WWW-Authenticate", 'Basic realm="WSMAN"'))
        self.reply(401, b"", offers)
        return False

    def step(self, token):
        """One message of a handshake; True when it is done."""
        import gssapi
        try:
            if self.gss is None:
                self.gss = gssapi.SecurityContext(usage="accept")
            out = self.gss.step(token)
        except (gssapi.exceptions.GSSError, ValueError):
            self.gss = None
            return self.unauthorized()
        if not self.gss.complete:
            return self.unauthorized(out)
        self.user = str(self.gss.initiator_name)
        self.last_token = out
        return True

    def authenticate(self):
        o, word = self.server.service.options, self.headers.get("Authorization", "")
        scheme, _, rest = word.partition(" ")
        if scheme == "Basic" and o.basic:
            try:
                user, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
            except ValueError:
                return self.unauthorized()
            self.server.plain |= not self.server.tls
            self.user = user if (user, password) == (o.user, o.password) else None
            return True if self.user else self.unauthorized()
        if scheme == "Negotiate" and o.negotiate:
            return self.step(base64.b64decode(rest))
        with self.server.service.lock:
            if self.server.service.injection_for("forget", "*"):
                self.user = self.gss = None
        return True if self.user and self.gss else self.unauthorized()

    def unseal(self, body):
        """The envelope of an encrypted body, or None."""
        m = self.SEALED.match(body)
        if not m:
            return None
        length, data = int(m.group(1)), m.group(2)
        signature = struct.unpack("<I", data[:4])[0]
        if not 0 < signature < len(data) - 4:
            return None
        plain = self.gss.unwrap(data[4:])
        return plain.message if plain.encrypted and len(plain.message) == length else None

    def seal(self, body):
        sealed = self.gss.wrap(body, True)
        signature = len(sealed.message) - len(body)
        return (b"--Encrypted Boundary\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n"
                b"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=%d\r\n"
                b"--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n%s%s--Encrypted Boundary--\r\n"
                % (len(body), struct.pack("<I", signature), sealed.message))

    def do_POST(self):
        self.last_token = None
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path != "/wsman":
            return self.reply(404)
        with self.server.service.lock:
            injected = self.server.service.injection_for("connection", "*")
        if injected:
            time.sleep(injected.delay)
            if injected.reset:
                return self.cut_off()
            if injected.status:
                return self.reply(injected.status)
        if not self.authenticate():
            return None
        done = []
        if self.last_token:
            done = [("WWW-Authenticate", "Negotiate " + base64.b64encode(self.last_token).decode())]
        if not body:
            return self.reply(200, b"", done)       # the end of a handshake
        return self.serve(body)

    def serve(self, body):
        kind = self.headers.get("Content-Type", "")
        sealed = kind.startswith("multipart/encrypted;")
        if not sealed and not re.fullmatch(r"application/soap\+xml; ?charset=utf-8", kind, re.I):
            return self.reply(400)
        if sealed:
            body = self.unseal(body) if self.gss else None
            if body is None:
                return self.reply(500)
        elif not self.server.tls and not self.server.service.options.allow_unencrypted:
            return self.reply(500)
        self.server.sealed += sealed
        status, out, injected = self.server.service.answer(body, self.user)
        if injected:
            time.sleep(injected.delay)
            if injected.reset or injected.lost:
                return self.cut_off()
            if injected.status:
                return self.reply(injected.status)
        if sealed and out:
            return self.reply(status, self.seal(out), kind="multipart/encrypted;protocol=\"application/HTTP-SPNEGO-session-"
                              "encrypted\";boundary=\"Encrypted Boundary\"")
        if injected and injected.cut:
            self.send_response_only(200)
            self.send_header("Content-Type", "application/soap+xml;charset=UTF-8")
            self.send_header("Content-Length", str(len(out)))
            self.end_headers()
            self.wfile.write(out[:len(out) // 2])
            return self.cut_off()
        return self.reply(status, out)

    def cut_off(self):
        self.close_connection = True
        self.connection.setsockopt(1, 13, struct.pack("ii", 1, 0))      # SO_LINGER: a reset
        self.connection.close()


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads, allow_reuse_address, request_queue_size = True, True, 64

    def __init__(self, data, options=None, certificate=None, host="localhost", port=0):
        super().__init__(("127.0.0.1", port), Handler)
        self.service, self.tls = Service(data, options or Options()), certificate is not None
        self.connections, self.sealed, self.plain, self.sockets = 0, 0, False, set()
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server_address[1]
        self.service.address = f"{'https' if self.tls else 'http'}://{host}:{self.port}/wsman"
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    def handle_error(self, *_):
        pass        # a client that went

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
        for s in list(self.sockets):
            try:
                s.close()
            except OSError:
                pass
