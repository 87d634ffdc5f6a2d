"""An endpoint that shares no code with the collector: NTLM and sealing by pyspnego, event subscriptions by hand.

Its log has five events; then heartbeats. It prints a line for each thing that a client does.
"""
import base64
import os
import re
import struct
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import spnego

B = b"--Encrypted Boundary"
EVENT = ("<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='Independent'/>"
         "<EventID>4624</EventID><EventRecordID>%d</EventRecordID><Channel>Security</Channel>"
         "<Computer>winlab</Computer></System><EventData><Data Name='n'>\u00e4%d</Data></EventData></Event>")
STATE = {"context": 0, "sent": 0}


def envelope(relates, header, body):
    return ('<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
            'xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:e="http://schemas.xmlsoap.org/ws/2004/08/eventing" '
            'xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration"><s:Header><a:RelatesTo>%s</a:RelatesTo>%s</s:Header>'
            '<s:Body>%s</s:Body></s:Envelope>' % (relates, header, body)).encode()


def soap(xml):
    text = xml.decode()
    relates = re.search("<a:MessageID>(.*?)<", text)[1]
    action = re.search("<a:Action[^>]*>(.*?)<", text)[1].rsplit("/", 1)[1]
    print(action, flush=True)
    if action == "Subscribe":
        assert "<QueryList>" in text and "Pull" in text
        STATE["sent"] = int((re.search('Channel="Security" RecordId="(\\d+)"', text) or [0, STATE["sent"]])[1])
        STATE["context"] += 1
        return 200, envelope(relates, "", "<e:SubscribeResponse><e:SubscriptionManager><a:Address>x</a:Address><a:ReferenceProperties>"
                             "<e:Identifier>uuid:sub</e:Identifier></a:ReferenceProperties></e:SubscriptionManager>"
                             "<n:EnumerationContext>uuid:%d</n:EnumerationContext></e:SubscribeResponse>" % STATE["context"])
    if action == "Pull":
        assert "<n:EnumerationContext>uuid:%d<" % STATE["context"] in text, "a used context"
        STATE["context"] += 1
        events, header = "", ""
        if STATE["sent"] < 5:
            STATE["sent"] += 1
            events = EVENT % (STATE["sent"], STATE["sent"])
            header = ('<w:Bookmark><BookmarkList><Bookmark Channel="Security" RecordId="%d" IsCurrent="true"/></BookmarkList></w:Bookmark>'
                      % STATE["sent"])
        else:
            time.sleep(0.5)
        return 200, envelope(relates, header, "<n:PullResponse><n:EnumerationContext>uuid:%d</n:EnumerationContext><n:Items>%s</n:Items>"
                             "</n:PullResponse>" % (STATE["context"], events))
    return 200, envelope(relates, "", "<e:UnsubscribeResponse/>")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.context = None

    def log_message(self, *_):
        pass

    def reply(self, code, body=b"", content_type=None, auth=()):
        self.send_response(code)
        for value in auth:
            self.send_header("WWW-Authenticate", value)
        if content_type:
            self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        auth = []
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme == "Negotiate":
            try:
                if self.context is None or self.context.complete:
                    self.context = spnego.server(hostname="winlab.example.test", service="HTTP", protocol="negotiate",
                                                 options=spnego.NegotiateOptions.wrapping_winrm)
                out = self.context.step(base64.b64decode(token))
            except Exception as e:
                print("refused", type(e).__name__, flush=True)
                self.context = None
                return self.reply(401, auth=["Negotiate"])
            if out:
                auth = ["Negotiate " + base64.b64encode(out).decode()]
        if self.context is None or not self.context.complete:
            return self.reply(401, auth=auth or ["Negotiate"])
        if not body:
            print("signed in", self.context.client_principal, flush=True)
            return self.reply(200, auth=auth)
        if not self.headers.get("Content-Type", "").startswith("multipart/encrypted"):
            print("CLEAR", flush=True)
            return self.reply(500)
        parts = body.split(B + b"\r\n")
        want = int(re.search(rb"Length=(\d+)", parts[1])[1])
        payload = parts[2].split(b"octet-stream\r\n", 1)[1]
        payload = payload[:payload.rindex(B + b"--")]
        n, = struct.unpack("<I", payload[:4])
        xml = self.context.unwrap_winrm(payload[4:4 + n], payload[4 + n:])
        assert len(xml) == want
        code, answer = soap(xml)
        wrapped = self.context.wrap_winrm(answer)
        protocol = "application/HTTP-SPNEGO-session-encrypted"
        out = (B + ("\r\n\tContent-Type: %s\r\n\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=%d\r\n"
                    % (protocol, len(answer) + wrapped.padding_length)).encode()
               + B + b"\r\n\tContent-Type: application/octet-stream\r\n" + struct.pack("<I", len(wrapped.header))
               + wrapped.header + wrapped.data + B + b"--\r\n")
        self.reply(code, out, 'multipart/encrypted;protocol="%s";boundary="Encrypted Boundary"' % protocol, auth)


os.environ["NTLM_USER_FILE"] = sys.argv[1]
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print("port", server.server_port, flush=True)
server.serve_forever()
