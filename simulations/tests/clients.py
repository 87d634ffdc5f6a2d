"""Independent clients against the simulated Windows host: prints one line for each check, fails at the first that is not right."""
import sys
import xml.etree.ElementTree as ET

import requests
import winrm
from pypsrp.exceptions import AuthenticationError, WinRMTransportError, WSManFaultError
from pypsrp.shell import Process, WinRS
from pypsrp.wsman import NAMESPACES, OptionSet, WSMan, WSManAction

HTTP, HTTPS, CA, CERTIFICATE, KEY, UNMAPPED, UNMAPPED_KEY = sys.argv[1:]
USER, PASSWORD = "LAB\\svc-collect", "Secret-1"
EVENTS = "http://schemas.microsoft.com/wbem/wsman/1/windows/EventLog"
W, E, N = NAMESPACES["wsman"], "http://schemas.xmlsoap.org/ws/2004/08/eventing", "http://schemas.xmlsoap.org/ws/2004/09/enumeration"


def check(name, right, found=""):
    print(("ok   " if right else "WRONG"), name, "" if right else found, flush=True)
    if not right:
        sys.exit(1)


def client(address=HTTP, **more):
    host, port = address.split(":")
    options = dict(port=int(port), username=USER, password=PASSWORD, ssl=False, auth="ntlm", encryption="always",
                   operation_timeout=2, read_timeout=30)
    options.update(more)
    return WSMan(host, **options)


def run(wsman, command, arguments=()):
    with wsman, WinRS(wsman) as shell:
        process = Process(shell, command, list(arguments))
        process.invoke()
        return process.rc, process.stdout, process.stderr


def subscribe(wsman, bookmark=None):
    body = ET.Element("{%s}Subscribe" % E)
    delivery = ET.SubElement(body, "{%s}Delivery" % E, Mode="http://schemas.dmtf.org/wbem/wsman/1/wsman/Pull")
    ET.SubElement(delivery, "{%s}Heartbeats" % W).text = "PT1.000S"
    filter = ET.SubElement(body, "{%s}Filter" % W, Dialect="http://schemas.microsoft.com/win/2004/08/events/eventquery")
    filter.text = '<QueryList><Query Id="0"><Select Path="Security">*</Select></Query></QueryList>'
    start = ET.SubElement(body, "{%s}Bookmark" % W)
    if bookmark is None:
        start.text = "http://schemas.dmtf.org/wbem/wsman/1/wsman/bookmark/earliest"
    else:
        start.append(bookmark)
    ET.SubElement(body, "{%s}SendBookmarks" % W)
    answer = wsman.invoke(E + "/Subscribe", EVENTS, body)
    return answer.find(".//{%s}EnumerationContext" % N).text


def pull(wsman, context):
    body = ET.Element("{%s}Pull" % N)
    ET.SubElement(body, "{%s}EnumerationContext" % N).text = context
    ET.SubElement(body, "{%s}MaxElements" % N).text = "3"
    answer = wsman.invoke(N + "/Pull", EVENTS, body)
    return answer


for auth in ["ntlm", "negotiate"]:
    code, out, _ = run(client(auth=auth), "echo", ["hello"])
    check("pypsrp %s sealed" % auth, (code, out) == (0, b"hello\r\n"), (code, out))
code, _, err = run(client(), "nonsense")
check("pypsrp standard error and exit code", code == 1 and b"not recognized" in err, (code, err))
try:
    run(client(password="wrong"), "echo", ["x"])
    check("pypsrp wrong password", False)
except AuthenticationError:
    check("pypsrp wrong password", True)
try:
    run(client(encryption="never"), "echo", ["x"])
    check("pypsrp in the clear", False)
except WinRMTransportError as e:
    check("pypsrp in the clear", e.code == 500, e.code)
for channel_binding in [True, False]:
    try:
        code, out, _ = run(client(HTTPS, ssl=True, cert_validation=CA, encryption="auto",
                                  negotiate_send_cbt=channel_binding), "echo", ["x"])
        check("pypsrp https with channel binding", channel_binding and code == 0, out)
    except AuthenticationError:
        check("pypsrp https without channel binding is refused", not channel_binding)
code, out, _ = run(client(HTTPS, ssl=True, cert_validation=CA, auth="basic", encryption="auto"), "echo", ["basic"])
check("pypsrp basic over https", (code, out) == (0, b"basic\r\n"), out)

code, out, _ = run(client(HTTPS, ssl=True, cert_validation=CA, auth="certificate", encryption="auto", username=None, password=None,
                          certificate_pem=CERTIFICATE, certificate_key_pem=KEY), "echo", ["certificate"])
check("pypsrp client certificate", (code, out) == (0, b"certificate\r\n"), out)
try:
    run(client(HTTPS, ssl=True, cert_validation=CA, auth="certificate", encryption="auto", username=None, password=None,
               certificate_pem=UNMAPPED, certificate_key_pem=UNMAPPED_KEY), "echo", ["x"])
    check("pypsrp client certificate without a user", False)
except WSManFaultError as e:
    check("pypsrp client certificate without a user is refused", e.code == 2150858909, e.code)
try:
    run(client(HTTPS, ssl=True, cert_validation=CA, auth="basic", encryption="auto", password="wrong"), "echo", ["x"])
    check("pypsrp basic with a wrong password", False)
except AuthenticationError:
    check("pypsrp basic with a wrong password", True)

wsman = client()
with wsman:
    first = pull(wsman, subscribe(wsman))
    events = first.findall(".//{http://schemas.microsoft.com/win/2004/08/events/event}Event")
    check("pypsrp subscribe and pull", len(events) == 3, len(events))
    second = pull(wsman, first.find(".//{%s}EnumerationContext" % N).text)
    ids = [e.text for e in second.iter("{http://schemas.microsoft.com/win/2004/08/events/event}EventRecordID")]
    check("pypsrp pull again", ids == ["4", "5"], ids)
    third = pull(wsman, second.find(".//{%s}EnumerationContext" % N).text)
    items = third.find(".//{%s}Items" % N)
    check("pypsrp heartbeat", items is not None and len(items) == 0, third)
    try:
        pull(wsman, first.find(".//{%s}EnumerationContext" % N).text)
        check("pypsrp used context", False)
    except WSManFaultError as e:
        check("pypsrp used context is refused", e.code == 2150858779, e.code)

protocol = winrm.Session("http://%s/wsman" % HTTP, auth=(USER, PASSWORD), transport="ntlm",
                         message_encryption="always", read_timeout_sec=30, operation_timeout_sec=20)
result = protocol.run_cmd("echo", ["pywinrm"])
check("pywinrm sealed", (result.status_code, result.std_out) == (0, b"pywinrm\r\n"), result.std_out)
try:
    winrm.Session("http://%s/wsman" % HTTP, auth=(USER, PASSWORD), transport="ntlm",
                  message_encryption="never").run_cmd("echo", ["x"])
    check("pywinrm in the clear", False)
except winrm.exceptions.WinRMTransportError as e:
    check("pywinrm in the clear is refused", e.code == 500, e.code)
for transport, message_encryption, address in [("ntlm", "always", "http://" + HTTP), ("basic", "auto", "https://" + HTTPS)]:
    try:
        winrm.Session(address + "/wsman", auth=(USER, "wrong"), transport=transport, message_encryption=message_encryption,
                      ca_trust_path=CA).run_cmd("echo", ["x"])
        check("pywinrm %s with a wrong password" % transport, False)
    except winrm.exceptions.InvalidCredentialsError:
        check("pywinrm %s with a wrong password" % transport, True)
result = winrm.Session("https://%s/wsman" % HTTPS, auth=("", ""), transport="certificate", ca_trust_path=CA, cert_pem=CERTIFICATE,
                       cert_key_pem=KEY).run_cmd("echo", ["pywinrm"])
check("pywinrm client certificate", (result.status_code, result.std_out) == (0, b"pywinrm\r\n"), result.std_out)
answer = requests.post("http://%s/wsman" % HTTP, data="<x/>", headers={"WSMANIDENTIFY": "unauthenticated"})
check("identify", b"Microsoft Corporation" in answer.content, answer.content)
print("done")
