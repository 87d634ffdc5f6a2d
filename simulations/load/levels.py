#!/usr/bin/env python3
"""Measures persistent storage: the three levels side by side, and how a large backlog is caught up with.

    cargo build --release -p vmetric-director
    simulations/load/levels.py levels                     off, on, crash_resistance in turns, same load
    simulations/load/levels.py levels --rounds 5 --pin    Director on CPU 1, generator and receiver on CPU 0
    simulations/load/levels.py backlog 10000000           so many events while the receiver is down, then it is up

Needs the measuring tool (`lodestone`, which generates and receives) and a release build: LODESTONE and DIRECTOR_BIN name
the programs (defaults: ../shared/bench/target/release/lodestone, target/release/vmetric-director). Files lie below
--folder, by default a new one in the present folder: measure on the disk that is meant, not on a tmpfs.

events/s and CPU: four connections, lines of 256 bytes, as fast as they are taken. Disk: `write_bytes` of /proc/PID/io over
that load, after a first load has laid out the pool, for each byte of the lines. Latency: of lines at a fixed rate, from the
instant at which a line was due to the instant at which the receiver has it. Medians of the rounds; the ratio to `off` is
taken within each round, since only what ran side by side compares.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

LODESTONE = os.environ.get("LODESTONE", "../shared/bench/target/release/lodestone")
DIRECTOR = os.environ.get("DIRECTOR_BIN", "target/release/vmetric-director")
TICK = os.sysconf("SC_CLK_TCK")
LINE = 257  # with its line feed
LEVELS = {
    "off": "",
    "on": "persistent_storage: {status: true}\n",
    "crash_resistance": "persistent_storage: {status: true, crash_resistance: true}\n",
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Bench:
    """A Director that relays lines, in a folder of its own, and its load."""

    def __init__(self, folder, level, options):
        self.folder, self.options = pathlib.Path(tempfile.mkdtemp(prefix=level + "-", dir=folder)), options
        self.input, self.output, self.control = free_port(), free_port(), free_port()
        (self.folder / "vmetric.yml").write_text(
            "%scontrol: {address: 127.0.0.1, port: %d}\n"
            "devices:\n  - {id: 1, name: in, type: tcp, properties: {address: 127.0.0.1, port: %d}}\n"
            "targets:\n  - {name: out, type: tcp, properties: {address: 127.0.0.1, port: %d}}\n"
            "routes:\n  - {name: all, targets: [out]}\n" % (LEVELS[level], self.control, self.input, self.output))
        self.process = self.start([DIRECTOR, "-path", str(self.folder)], "1", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wait(lambda: self.metrics() is not None, "it starts")

    def start(self, command, cpu, **more):
        def placed():
            os.nice(self.options.nice)
            if self.options.pin:
                os.sched_setaffinity(0, {int(cpu)})

        return subprocess.Popen([str(word) for word in command], preexec_fn=placed, **more)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def receive(self, *more):
        receiver = self.start([LODESTONE, "recv", "--port", self.output, "--latency", *more], "0",
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.wait(lambda: listens(self.output), "the receiver listens")
        return receiver

    def send(self, *more):
        command = [LODESTONE, "gen", "--to", "127.0.0.1:%d" % self.input, "--connections", 4, *more]
        sender = self.start(command, "0", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        said, _ = sender.communicate()
        return json.loads(said.strip().splitlines()[-1])

    def metrics(self):
        try:
            with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % self.control, timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return None
        found = {}
        for line in lines:
            if not line.startswith("#") and " " in line:
                key, value = line.rsplit(" ", 1)
                found[key.split("{")[0]] = found.get(key.split("{")[0], 0) + float(value)
        return found

    def metric(self, name):
        return (self.metrics() or {}).get(name, 0)

    def wait(self, condition, what, limit=600):
        begin = time.time()
        while not condition():
            if time.time() - begin > limit or (hasattr(self, "process") and self.process.poll() is not None):
                sys.exit("gave up: never that %s" % what)
            time.sleep(0.01)

    def usage(self):
        """CPU seconds, bytes written to the storage layer, peak memory in MB."""
        process = pathlib.Path("/proc/%d" % self.process.pid)
        fields = (process / "stat").read_text().rsplit(")", 1)[1].split()
        io = dict(line.split(": ") for line in (process / "io").read_text().splitlines())
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        return (int(fields[11]) + int(fields[12])) / TICK, int(io["write_bytes"]), int(status["VmHWM"].split()[0]) / 1024


def listens(port):
    return any(line.split()[1].endswith(":%04X" % port) and line.split()[3] == "0A"
               for table in ("/proc/net/tcp", "/proc/net/tcp6") for line in pathlib.Path(table).read_text().splitlines()[1:])


def ended(receiver, first=signal.SIGINT):
    if receiver.poll() is None:
        receiver.send_signal(first)
    said, _ = receiver.communicate(timeout=60)
    return json.loads(said.strip().splitlines()[-1])


def measure(folder, level, options):
    with Bench(folder, level, options) as bench:
        # From memory, and from disk where the machine was too busy to keep up for a moment.
        delivered = lambda: bench.metric("vmetric_target_delivered_total") + bench.metric("vmetric_target_spool_delivered_total")
        receiver = bench.receive()
        # The pool is laid out, connections stand, caches are warm.
        sent = bench.send("--duration", "2s")["lines"]
        bench.wait(lambda: delivered() >= sent, "all is delivered")
        time.sleep(1)
        before, begin = bench.usage(), time.time()
        loaded = bench.send("--duration", "%ds" % options.seconds)["lines"]
        bench.wait(lambda: delivered() >= sent + loaded, "all is delivered")
        seconds = time.time() - begin
        # What the page cache has is written within this time; it counts for this load.
        after = bench.usage()
        ended(receiver)
        receiver = bench.receive()
        paced = bench.send("--stamped", "--rate", options.rate, "--duration", "%ds" % options.seconds)["lines"]
        bench.wait(lambda: delivered() >= sent + loaded + paced, "all is delivered")
        latency = ended(receiver)["latency_us"]
        return {
            "events/s": loaded / seconds,
            "CPU s per M": (after[0] - before[0]) / loaded * 1e6,
            "disk per byte": (after[1] - before[1]) / (loaded * LINE),
            "p50 us": latency["p50"],
            "p99 us": latency["p99"],
            "peak MB": after[2],
        }


def levels(folder, options):
    rounds = []
    for number in range(options.rounds):
        rounds.append({level: measure(folder, level, options) for level in LEVELS})
        for level, figures in rounds[-1].items():
            print("round %d  %-17s %s" % (number + 1, level, json.dumps({k: round(v, 2) for k, v in figures.items()})), file=sys.stderr)
    print("medians of %d rounds, %d events/s for the latency; in brackets: times `off`, median of the rounds" % (options.rounds, options.rate))
    columns = list(rounds[0]["off"])
    print("| level | " + " | ".join(columns) + " |\n|" + "---|" * (len(columns) + 1))
    for level in LEVELS:
        cells = []
        for column in columns:
            value = statistics.median(figures[level][column] for figures in rounds)
            text = "%.0f" % value if value >= 100 else "%.2f" % value
            if level != "off" and column != "disk per byte":
                text += " (%.2f)" % statistics.median(figures[level][column] / max(figures["off"][column], 1e-9) for figures in rounds)
            cells.append(text)
        print("| %s | %s |" % (level, " | ".join(cells)))


def backlog(folder, options):
    level = "crash_resistance" if options.crash_resistance else "on"
    with Bench(folder, level, options) as bench:
        begin = time.time()
        bench.send("--lines", options.events, "--duration", "0s")
        held = lambda: bench.metric("vmetric_target_spool_held")
        bench.wait(lambda: held() >= options.events, "all is on disk")
        took, (cpu, _, peak_before) = time.time() - begin, bench.usage()
        print("%d events on disk after %.1f s, peak memory %.0f MB" % (options.events, took, peak_before))
        fresh_seconds = 2
        receiver = bench.receive()
        begin = time.time()
        bench.wait(lambda: held() < options.events, "the first is delivered from disk")
        begin = time.time()
        fresh = bench.send("--stamped", "--rate", 1000, "--duration", "%ds" % fresh_seconds)["lines"]
        bench.wait(lambda: bench.metric("vmetric_target_spool_in_use") == 0, "it has caught up")
        seconds, (cpu_after, _, peak) = time.time() - begin, bench.usage()
        time.sleep(0.5)
        result = ended(receiver)
        span = (result["last_ns"] - result["first_ns"]) / 1e9
        print("caught up: %d of %d lines within %.2f s, %.0f events/s, %.2f CPU s per million, peak memory %.0f MB"
              % (result["lines"], options.events + fresh, span, result["lines"] / span, (cpu_after - cpu) / options.events * 1e6, peak))
        print("events that came meanwhile (1000/s for %d s): delayed by %.2f s at most, and the whole took %.2f s"
              % (fresh_seconds, result["latency_us"]["max"] / 1e6, seconds))
        receiver = bench.receive()
        bench.send("--stamped", "--rate", 20000, "--duration", "2s")
        time.sleep(0.5)
        latency = ended(receiver)["latency_us"]
        print("after it, from memory again: p50 %.0f us, p99 %.0f us" % (latency["p50"], latency["p99"]))
        if result["lines"] < options.events + fresh:
            sys.exit("lines are missing")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", default=None)
    parser.add_argument("--nice", type=int, default=0, help="below zero keeps other work from disturbing; needs privileges")
    what = parser.add_subparsers(dest="what", required=True)
    side = what.add_parser("levels")
    side.add_argument("--rounds", type=int, default=3)
    side.add_argument("--seconds", type=int, default=5)
    side.add_argument("--rate", type=int, default=20000)
    side.add_argument("--pin", action="store_true")
    large = what.add_parser("backlog")
    large.add_argument("events", type=int)
    large.add_argument("--crash-resistance", action="store_true")
    large.add_argument("--pin", action="store_true")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="levels-", dir=options.folder or ".")
    try:
        {"levels": levels, "backlog": backlog}[options.what](folder, options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
