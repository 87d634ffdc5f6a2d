#!/usr/bin/env python3
"""Measures the Director against simulated hosts, which are read without an agent. Needs release builds:

    cargo build --release -p vmetric-director -p simulations
    simulations/load/hosts.py windows idle 1000     memory and CPU with so many quiet hosts
    simulations/load/hosts.py windows busy 300000   events a second of one host's backlog over one connection
    simulations/load/hosts.py windows row           from a new row in the configuration to its first event
    simulations/load/hosts.py windows flow 1000 5   so many hosts at so many events a second: memory, CPU

The same with linux. TARGET names the folder with the builds (default: target/release).
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

TARGET = pathlib.Path(os.environ.get("TARGET", "target/release"))
CONTROL = int(os.environ.get("CONTROL_PORT", "8979"))
TICK = os.sysconf("SC_CLK_TCK")


def hosts(kind, count, *more):
    command = [TARGET / "simulate-endpoint", kind, "--hosts", str(count), *map(str, more)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return process, [process.stdout.readline().strip() for _ in range(count)]


def row(kind, number, host, properties):
    """A line of the program: an address, and a Linux host's key behind it."""
    address, _, key = host.partition(" ")
    ip, port = address.split(":")
    how = {"windows": "username: 'LAB\\svc-collect', password: Secret-1, channels: [{name: Security}]",
           "linux": 'username: collector, password: secret, host_key: "%s", path: /var/log/syslog' % key}[kind]
    return "  - {id: %d, name: host-%d, type: %s, properties: {address: %s, port: %s, %s%s}}" % (
        number, number, kind, ip, port, how, properties)


def configuration(kind, found, properties=""):
    rows = [row(kind, number, host, properties) for number, host in enumerate(found, 1)]
    return ("control: {address: 127.0.0.1, port: %d}\ndevices:\n%s\ntargets:\n  - {name: out, type: discard}\n"
            "routes:\n  - {name: all, targets: [out]}\n" % (CONTROL, "\n".join(rows) if rows else " []"))


def director(folder):
    return subprocess.Popen([TARGET / "vmetric-director", "-path", folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def metrics():
    try:
        with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % CONTROL, timeout=5) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return {}
    found = {}
    for line in lines:
        if not line.startswith("#") and " " in line:
            key, value = line.rsplit(" ", 1)
            name = key.split("{")[0]
            found[name] = found.get(name, 0) + float(value)
    return found


def accepted():
    return metrics().get(ACCEPTED, 0)


ACCEPTED = "vmetric_device_accepted_total"
OPEN = "vmetric_device_open"


def wait(condition, limit=120):
    begin = time.time()
    while not condition():
        if time.time() - begin > limit:
            sys.exit("gave up waiting; metrics: %s" % metrics())
        time.sleep(0.02)
    return time.time() - begin


def usage(pid):
    fields = pathlib.Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()
    status = pathlib.Path("/proc/%d/status" % pid).read_text()
    memory = {line.split(":")[0]: int(line.split()[1]) for line in status.splitlines() if line.startswith("Vm")}
    return (int(fields[11]) + int(fields[12])) / TICK, memory["VmRSS"] / 1024, memory["VmHWM"] / 1024


def main():
    kind, what, *numbers = sys.argv[1:]
    oldest = ", start: oldest" if kind == "windows" else ""
    numbers = [int(number) for number in numbers]
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "vmetric.yml"
        processes = []
        try:
            if what == "idle":
                endpoint, addresses = hosts(kind, numbers[0])
                processes.append(endpoint)
                file.write_text(configuration(kind, addresses))
                processes.append(director(folder))
                taken = wait(lambda: metrics().get(OPEN, 0) >= numbers[0])
                time.sleep(30)
                before, begin = usage(processes[1].pid)[0], time.time()
                time.sleep(60)
                after, now, peak = usage(processes[1].pid)
                cpu = (after - before) / (time.time() - begin) * 100
                print("%d idle %s hosts: %.0f MB, peak %.0f MB, %.2f %% of a core, all connected after %.1f s" % (
                    numbers[0], kind, now, peak, cpu, taken))
            elif what == "busy":
                endpoint, addresses = hosts(kind, 1, "--backlog", numbers[0])
                processes.append(endpoint)
                file.write_text(configuration(kind, addresses, oldest))
                processes.append(director(folder))
                wait(lambda: accepted() > 0)
                begin, first = time.time(), accepted()
                wait(lambda: accepted() >= numbers[0], 300)
                seconds = time.time() - begin
                cpu, now, peak = usage(processes[1].pid)
                print("one busy %s host: %.0f events/s, %.1f us of CPU an event, peak %.0f MB" % (
                    kind, (numbers[0] - first) / seconds, cpu / numbers[0] * 1e6, peak))
            elif what == "row":
                endpoint, addresses = hosts(kind, 1, "--rate", 20)
                processes.append(endpoint)
                file.write_text(configuration(kind, []))
                processes.append(director(folder))
                wait(lambda: metrics() != {})
                file.write_text(configuration(kind, addresses))
                print("from a new %s row to its first event: %.2f s" % (kind, wait(lambda: accepted() > 0)))
            elif what == "flow":
                endpoint, addresses = hosts(kind, numbers[0], "--rate", numbers[1])
                processes.append(endpoint)
                file.write_text(configuration(kind, addresses))
                processes.append(director(folder))
                wait(lambda: metrics().get(OPEN, 0) >= numbers[0])
                time.sleep(5)
                before, events, begin = usage(processes[1].pid)[0], accepted(), time.time()
                time.sleep(30)
                seconds = time.time() - begin
                after, now, peak = usage(processes[1].pid)
                print("%d %s hosts at %d events/s: %.0f events/s came, %.0f %% of a core, peak %.0f MB" % (
                    numbers[0], kind, numbers[1], (accepted() - events) / seconds, (after - before) / seconds * 100, peak))
        finally:
            for process in reversed(processes):
                process.terminate()
                process.wait()


main()
