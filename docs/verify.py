#!/usr/bin/env python3
"""Verifies a Nightlatch audit log by the numbered rules of formats.md, with nothing of Nightlatch.

Needs Python 3.9 and the package `cryptography`. Exits with 0 when nothing is found, 7 when
something is, 2 when it cannot verify.
"""
import argparse, hashlib, json, math, re, sys
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LIMIT = 65536  # bytes of a line with its line end
ANCHOR = r"\bseq ([0-9]{1,16}) hash ([0-9a-f]{64}) fingerprint ([0-9a-f]{64})\b"
ANCHOR = re.compile(ANCHOR.replace(" ", r"[^\w\n]+"), re.A)  # as in JSON or in the system log

def when(value):
    """The time that is spelled as the log spells times; else None."""
    with suppress(ValueError):
        time = datetime.fromisoformat(value[:-1] if type(value) is str else "")
        is_spelled = time.isoformat(timespec="microseconds") + "Z" == value
        return time if is_spelled and 1678 <= time.year <= 2261 else None

def is_detail(value, level=1):
    if type(value) in (dict, list):
        parts = value.values() if type(value) is dict else value
        return level <= 4 and all(is_detail(part, level + 1) for part in parts)
    return type(value) is not int or -(2**63) <= value < 2**64

def shape(forms, optional=None):
    """Whether a value is an object of these keys, in this order, with values of these forms."""
    orders = list(forms), [key for key in forms if key != optional]
    is_ordered = lambda value: type(value) is dict and list(value) in orders
    return lambda value: is_ordered(value) and all(forms[key](value[key]) for key in value)

text = lambda form: lambda value: type(value) is str and re.fullmatch(form, value, re.S)
number = lambda low, high: lambda value: type(value) is int and low <= value <= high
or_null = lambda form: lambda value: value is None or form(value)
STRING, HASH, SIG = text(".*"), text("[0-9a-f]{64}"), text("[0-9a-f]{128}")
UUID = text("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SEQ, U32, U64 = number(1, 10**16 - 1), number(0, 2**32 - 1), number(0, 2**64 - 1)
LINE = shape({
    "seq": SEQ, "id": lambda value: UUID(value) and value[14] == "7" and value[19] in "89ab",
    "timestamp": when, "event_type": text("[A-Z][A-Z0-9_]{0,63}"), "username": or_null(STRING),
    "session_id": or_null(UUID), "success": lambda value: type(value) is bool,
    "details": lambda value: type(value) is dict and is_detail(value),
    "host": STRING, "uid": U32, "pid": U32, "tty": or_null(STRING), "prev": HASH, "hash": HASH,
    "seal": shape({"key": HASH, "segment_key": HASH, "sig": SIG}, optional="segment_key"),
}, optional="seal")
HEAD = shape({"seq": SEQ, "hash": HASH, "fingerprint": HASH, "sig": SIG})
PRUNED = {"segments": U64, "first_seq": U64, "last_seq": U64, "last_hash": HASH,
          "from": when, "to": when, "retention_seconds": U64}

def parse(data, form=LINE, width=0):
    """The object in a line of the form that is spelled in its one way (rule 2); else {}."""
    with suppress(ValueError, RecursionError):
        value = json.loads(data.decode(), parse_float=int, parse_constant=int)  # int refuses both
        spelled = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        return value if form(value) and spelled.ljust(width) + b"\n" == data else {}
    return {}

def lines_of(path):
    """Each line of a file, the event in it, {} where it is not canonical, and its right hash."""
    with open(path, "rb") as file:
        for data in file:
            digest = hashlib.sha256(data.rpartition(b',"hash":"')[0]).hexdigest()
            yield data, parse(data) if len(data) <= LIMIT else {}, digest

def is_signed(key, label, named, signature):
    """Whether `key` signed what is named; all are hexadecimal."""
    with suppress(InvalidSignature, ValueError):
        message = b"nightlatch audit %s v1\0" % label + bytes.fromhex(named)
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
        return public.verify(bytes.fromhex(signature), message) is None

def is_sealed_by(key, event):
    *keys, signature = event["seal"].values()
    return is_signed(key, b"seal", event["hash"] + "".join(keys), signature)

def next_key(event):
    """The key of the next segment's first line, as the first line of a segment names it."""
    return event.get("seal", {}).get("segment_key")

class Verification:
    """What is found in a log: `findings` are a file, a line and a rule each."""

    def __init__(self, directory, fingerprint=None, anchors=None, retention=-math.inf):
        self.findings, self.holds, self.retention = [], set(), retention * 86400
        self.lines = self.events = self.seals = self.unsealed = self.removals = self.recorded = 0
        is_segment = text(r"(?!0{16})[0-9]{16}[.]jsonl")
        files = {path.name: path for path in sorted(Path(directory).iterdir())}
        regular = {name for name in files if files[name].is_file() and not files[name].is_symlink()}
        for name in files:
            self.at, is_known = (name, 0), is_segment(name) or name == "removed.jsonl"
            self.check(1, ".jsonl" not in name or is_known and name in regular)
        segments = {int(name[:16]): files[name] for name in sorted(regular) if is_segment(name)}
        self.first = min(segments, default=1)
        self.starts = {seq: next(lines_of(segments[seq]), [0, {}])[1] for seq in segments}
        removed = lines_of(files["removed.jsonl"]) if "removed.jsonl" in regular else []
        removed = [line for line in removed if line[1].get("seq", 0) < self.first > 1]
        self.starts = {**{event["seq"]: event for _, event, _ in removed if event}, **self.starts}
        said = [event["details"].get("fingerprint") for event in self.starts.values()
                if event.get("event_type") == "SEGMENT_OPENED"]
        self.fingerprint = next(filter(HASH, said), None)
        self.head = parse(files["head"].read_bytes(), HEAD, 511) if "head" in regular else {}
        noted = ANCHOR.findall(Path(anchors).read_bytes().decode("latin-1")) if anchors else []
        noted = {(int(at), digest) for at, digest, log in noted if self.fingerprint in (None, log)}
        self.noted = dict.fromkeys([self.head.get("seq"), *dict(noted)], ({}, 0))
        self.key, self.before = self.fingerprint, {"seq": 0, "hash": "0" * 64}
        if self.first > 1:
            self.key, self.before = self.follow(removed), {}
        for seq, path in segments.items():
            self.verify_segment(seq, path, seq == max(segments))
            self.key = next_key(self.starts[seq])
        self.at = "", 0
        self.check(1, self.lines)
        self.check(10, self.first == 1 or self.recorded)
        has_head = "head" in files and ("head" not in regular or files["head"].stat().st_size)
        line, seals = self.noted[self.head.get("seq")]
        self.check(11, self.is_head_of(line) if self.head else not has_head)
        self.is_end_checked = self.head and self.seals < seals + 2
        is_own = fingerprint in (None, self.fingerprint) and (noted or not anchors)
        begin = self.first if self.lines > self.unsealed else 1
        is_right = lambda seq, digest: seq < begin or self.noted[seq][0].get("hash") == digest
        fits = all(is_right(*anchor) for anchor in noted) and len(noted) == len(dict(noted))
        self.check(12, is_own and fits if self.fingerprint else fits or self.seals)

    def check(self, rule, holds):
        self.findings += [] if holds else [(*self.at, rule)]
        return holds

    def opens(self, event, seq, key):
        """Whether a line opens the segment from `seq` on (rule 6); the key may not be known."""
        named = {"segment": "%016d.jsonl" % seq, "fingerprint": self.fingerprint, "key": key}
        fits = all(event["details"].get(name) == named[name] for name in named if named[name])
        return event["event_type"] == "SEGMENT_OPENED" and next_key(event) and fits

    def follow(self, removed):
        """The key to which the lines of removed.jsonl lead, when they do (rule 10)."""
        key, start = self.fingerprint, self.starts[self.first]
        seqs = [event.get("seq", 0) for _, event, _ in removed]
        fits = seqs == sorted({1, *seqs})
        for (_, event, digest), seq in zip(removed, seqs):
            fits = fits and key and event.get("hash") == digest and self.opens(event, seq, key)
            fits = fits and is_sealed_by(key, event)
            key = next_key(event)
        self.at = "removed.jsonl", 0
        fits = fits and key and (not start or start["details"].get("key") == key)
        return key if self.check(10, fits) else None

    def verify_segment(self, start, path, is_last):
        """Verifies a segment that continues the line `before`, and whose first seal is by `key`."""
        data, event, seal, time, run, is_closed = b"", {}, None, "", 0, False
        sealed = (at for at, line in enumerate(lines_of(path), 1) if "seal" in line[1])
        end = max(sealed, default=1) if is_last else math.inf
        for at, (data, event, digest) in enumerate(lines_of(path), 1):
            self.at, is_whole = (path.name, at), data.endswith(b"\n")
            self.lines += is_whole
            if is_last and (at > end or not is_whole):
                self.unsealed += is_whole
                self.check(8, self.unsealed != 16 and (is_whole or len(data) < LIMIT))
                continue
            self.check(6, not is_closed)
            if not self.check(2, event):
                self.before, self.key, run, is_closed = {}, None, 0, False
                continue
            seq, stamp, seal = event["seq"], event["timestamp"], event.get("seal")
            is_opening = event["event_type"] == "SEGMENT_OPENED" or next_key(event)
            is_closed, run = event["event_type"] == "SEGMENT_CLOSED", 0 if seal else run + 1
            closing = next_key(self.starts[start]) if is_closed and seal else None
            self.check(3, event["hash"] == digest)
            self.check(4, (at > 1 or seq == start) and seq == self.before.get("seq", seq - 1) + 1)
            self.check(5, event["prev"] == self.before.get("hash", event["prev"]))
            self.check(6, self.opens(event, start, self.key) if at == 1 else not is_opening)
            self.check(6, not closing or closing == seal["key"])
            self.check(7, not seal or not self.key or is_sealed_by(self.key, event))
            self.check(8, run != 16)
            self.check(9, not time or time <= stamp and time[:10] == stamp[:10])
            self.key = seal["key"] if seal else self.key if at > 1 else None
            self.before, time = event, stamp
            self.take_in(event, event["event_type"], event["details"])
        self.check(6, is_last or data and (not event or is_closed and seal))
        self.check(8, is_last or not event or seal)

    def take_in(self, event, kind, details):
        """Takes in what a line says about the log."""
        self.events, self.seals = self.events + 1, self.seals + ("seal" in event)
        if event["seq"] in self.noted:
            self.noted[event["seq"]] = event, self.seals
        if kind == "AUDIT_HOLD_ADDED":
            self.holds.add(repr(details.get("hold")))
        elif kind == "AUDIT_HOLD_REMOVED":
            self.holds.discard(repr(details.get("hold")))
        elif kind == "AUDIT_PRUNED":
            self.removals += 1
            if self.check(10, all(PRUNED[key](details.get(key)) for key in PRUNED)):
                self.check_removal(when(event["timestamp"]), details, {"timestamp": None})

    def check_removal(self, at, details, gone):
        first, last, to = details["first_seq"], details["last_seq"], details["to"]
        waited = (at - when(to)) // timedelta(seconds=1)
        begins = lambda seq, time: self.starts.get(seq, gone).get("timestamp", time) == time
        self.check(10, begins(first, details["from"]) and begins(last + 1, to))
        self.check(10, details["segments"] == sum(first <= seq <= last for seq in self.starts))
        self.check(10, waited >= details["retention_seconds"] and not self.holds)
        self.check(12, waited >= self.retention)
        continues = self.starts[self.first].get("prev", details["last_hash"])
        self.recorded |= last + (continues == details["last_hash"]) >= self.first

    def is_head_of(self, line):
        seq, digest, fingerprint, signature = self.head.values()
        key = line.get("hash") == digest and line.get("seal", {}).get("key")
        named = digest + seq.to_bytes(8, "little").hex() + fingerprint
        is_own = key and fingerprint == self.fingerprint
        return is_own and is_signed(key, b"head", named, signature)

def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory")
    parser.add_argument("--fingerprint")
    parser.add_argument("--anchors", metavar="FILE", help="JSON, or lines of the system log")
    parser.add_argument("--retention", metavar="DAYS", type=int, default=-math.inf)
    try:
        log = Verification(**vars(parser.parse_args()))
    except OSError as error:
        parser.error(str(error))
    for file, line, rule in log.findings[:1000]:
        print(f"{file!a}:{line}: rule {rule}")
    end = "" if log.is_end_checked else ", end not checked"
    result = f"{len(log.findings)} findings" if log.findings else "verified"
    print(f"{log.events} events, {log.seals} seals, {log.unsealed} lines not vouched for,",
          f"{log.removals} removals{end}: {result}")
    return 7 if log.findings else 0

if __name__ == "__main__":
    sys.exit(main())
