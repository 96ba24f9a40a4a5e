#!/usr/bin/env python3
"""Verifies a Nightlatch audit log by the numbered rules of formats.md, with nothing of Nightlatch.

usage: verify.py DIR [--fingerprint HEX] [--anchors FILE] [--retention DAYS]
       verify.py --batch FILE     (such arguments in each line, as a JSON list)
Needs Python 3.9 and the package `cryptography`. Exits with 0 when nothing is found, 7 when something is, 2 when it cannot verify.
"""
import datetime, hashlib, json, os, re, sys
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LIMIT = 65536  # bytes of a line with its line end
ANCHOR = re.compile(r"\bseq[^\w\n]+([0-9]{1,16})[^\w\n]+hash[^\w\n]+([0-9a-f]{64})[^\w\n]+fingerprint[^\w\n]+([0-9a-f]{64})\b")  # JSON or the system log's

def when(value):
    """A time in microseconds since 1970; None when it is not spelled as the log spells times."""
    try:
        since = datetime.datetime.fromisoformat(value[:-1]) - datetime.datetime(1970, 1, 1) if TIME(value) else None
        return since // datetime.timedelta(microseconds=1) if since is not None and "1678" <= value[:4] <= "2261" else None
    except ValueError:  # such as February 30
        return None

def is_detail(value, level=1):
    if type(value) in (dict, list):
        return level <= 4 and all(is_detail(part, level + 1) for part in (value.values() if type(value) is dict else value))
    return type(value) is not int or -(2**63) <= value < 2**64

def shape(forms, optional=None):
    """Whether a value is an object with these keys, in this order, and with values of these forms."""
    orders = list(forms), [key for key in forms if key != optional]
    return lambda value: type(value) is dict and list(value) in orders and all(forms[key](value[key]) for key in value)

text = lambda form: lambda value: type(value) is str and re.fullmatch(form, value, re.S) is not None
number = lambda low, high: lambda value: type(value) is int and low <= value <= high
or_null = lambda check: lambda value: value is None or check(value)
STRING, HASH, SIG = text(".*"), text("[0-9a-f]{64}"), text("[0-9a-f]{128}")
TIME = text("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{6}Z")
SEQ, U32, U64, MOMENT = number(1, 10**16 - 1), number(0, 2**32 - 1), number(0, 2**64 - 1), lambda value: when(value) is not None
LINE = shape({
    "seq": SEQ, "id": text("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"), "timestamp": MOMENT,
    "event_type": text("[A-Z][A-Z0-9_]{0,63}"), "username": or_null(STRING),
    "session_id": or_null(text("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")), "success": lambda value: type(value) is bool,
    "details": lambda value: type(value) is dict and is_detail(value), "host": STRING, "uid": U32, "pid": U32, "tty": or_null(STRING),
    "prev": HASH, "hash": HASH, "seal": shape({"key": HASH, "segment_key": HASH, "sig": SIG}, "segment_key")}, "seal")
HEAD = shape({"seq": SEQ, "hash": HASH, "fingerprint": HASH, "sig": SIG})
PRUNED = {"segments": U64, "first_seq": U64, "last_seq": U64, "last_hash": HASH, "from": MOMENT, "to": MOMENT, "retention_seconds": U64}

def parse(data, fits=LINE, padded_to=0):
    """The JSON object in `data`, when it is spelled in its one way (rule 2): written again, it is the same. Else None."""
    try:
        value = json.loads(data.decode(), parse_float=int, parse_constant=int)  # int refuses both
        spelled = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode().ljust(padded_to) + b"\n"
        return value if fits(value) and spelled == data else None
    except (ValueError, RecursionError):
        return None

def lines_of(path):
    """Each line parsed (None when it is not canonical), whether its hash is right, its size, and whether it has a line end."""
    with open(path, "rb") as file:
        for line in iter(lambda: file.readline(LIMIT + 1), b""):
            size, rest = len(line), line
            while rest and not rest.endswith(b"\n"):
                rest = file.readline(LIMIT)
                size += len(rest)
            event = parse(line) if rest and size <= LIMIT else None
            digest = hashlib.sha256(line.rpartition(b',"hash":"')[0]).hexdigest()
            yield event, event and event["hash"] == digest, size, bool(rest)

def is_signed(key, message, signature):
    try:
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(signature), message) is None
    except (InvalidSignature, ValueError):
        return False

def is_sealed_by(key, event):
    keys = bytes.fromhex(event["hash"] + event["seal"]["key"] + event["seal"].get("segment_key", ""))
    return is_signed(key, b"nightlatch audit seal v1\0" + keys, event["seal"]["sig"])

def next_key(event):
    """The key of the next segment's first line, as that of a segment names it."""
    return event and event.get("seal", {}).get("segment_key")

def opens(event, name, fingerprint, key):
    """Whether a line opens the segment `name` (rule 6). A fingerprint or a key that is None is not known."""
    said = zip((event["details"].get(about) for about in ("segment", "fingerprint", "key")), (name, fingerprint, key))
    return event["event_type"] == "SEGMENT_OPENED" and next_key(event) and all(known in (None, given) for given, known in said)

class Verification:
    def __init__(self, directory, fingerprint=None, anchors=(), retention=None):
        self.directory, self.findings, self.removed, self.removals, self.holds, self.head_line = directory, [], [], [], set(), None
        self.lines = self.events = self.seals = self.unsealed = self.seals_after_head = 0
        self.noted = dict.fromkeys(seq for seq, _, _ in anchors)  # the hashes of the lines that were noted
        files = {entry.name: entry.is_file(follow_symlinks=False) for entry in os.scandir(directory)}
        self.head = parse(open(self.path("head"), "rb").read(513), HEAD, 511) if files.get("head") else None
        has_head = "head" in files and (not files["head"] or os.path.getsize(self.path("head")) > 0)
        is_name = text(r"(?!0{16})[0-9]{16}\.jsonl|removed\.jsonl")
        names = [name for name in sorted(files) if ".jsonl" in name and self.check(is_name(name) and files[name], name, 0, 1)]
        segments = [name for name in names if name != "removed.jsonl"]
        first = int(segments[0][:16]) if segments else 1
        self.starts = {int(name[:16]): next(lines_of(self.path(name)), [None])[0] for name in segments}
        key, before = (self.follow_removed(first, "removed.jsonl" in names), None) if first > 1 else (None, (0, "0" * 64))
        openings = [event for event in self.removed + list(self.starts.values()) if event and event["event_type"] == "SEGMENT_OPENED"]
        self.fingerprint = next(filter(HASH, (event["details"].get("fingerprint") for event in openings)), None)
        for name in segments:
            key = self.fingerprint if name == "%016d.jsonl" % 1 else key
            before = self.verify_segment(name, key, before, name == segments[-1])
            key = next_key(self.starts[int(name[:16])])
        self.check(self.lines, "", 0, 1)
        self.check_removals(first, retention)
        self.check(not has_head or self.head and self.fits_head(self.head, self.head_line), "head", 0, 11)
        self.is_end_checked = self.head and self.seals_after_head < 2
        own = {(seq, digest) for seq, digest, of in anchors if of == self.fingerprint}
        self.check(not self.fingerprint or fingerprint in (None, self.fingerprint) and (own or not anchors), "", 0, 12)
        self.check(all(seq < first or self.noted[seq] == digest for seq, digest in own), "", 0, 12)
        self.check(len(own) == len({seq for seq, _ in own}), "", 0, 12)  # a fork

    def path(self, name):
        return os.path.join(self.directory, name)

    def check(self, holds, file, line, rule):
        self.findings += [] if holds else [(file, line, rule)]
        return holds

    def follow_removed(self, first, is_there):
        """Follows the first lines of removed segments (rule 10): the key that they give for the first line that is there."""
        key, fingerprint, last, leads = None, None, 0, self.check(is_there, "removed.jsonl", 0, 10)
        for at, (event, hash_is_right, _, _) in enumerate(lines_of(self.path("removed.jsonl")) if is_there else (), 1):
            if not event or event["seq"] < first:
                if event and event["seq"] == 1 and last == 0:
                    key = fingerprint = event["details"].get("fingerprint")
                fits = event and event["seq"] > last and hash_is_right and HASH(key)
                fits = fits and opens(event, "%016d.jsonl" % event["seq"], fingerprint, key) and is_sealed_by(key, event)
                leads = self.check(fits, "removed.jsonl", at, 10) and leads
                self.removed += [event] if event else []
                key, last = next_key(event), event["seq"] if event else last
        fits = leads and key and (not self.starts[first] or self.starts[first]["details"].get("key") == key)
        return key if self.check(fits or not leads, "removed.jsonl", 0, 10) and fits else None

    def verify_segment(self, name, key, before, is_last):
        """Verifies a segment that goes on after the number and hash in `before`, and whose first seal `key` verifies."""
        at, run, torn, waiting, time, event, seal, closed, start = 0, 0, 0, [], None, None, {}, False, self.starts[int(name[:16])]
        for at, (event, hash_is_right, size, has_end) in enumerate(lines_of(self.path(name)), 1):
            self.lines, torn, is_first = self.lines + has_end, 0 if has_end else size, at == 1
            broken, closed, seal = {2: not event, 6: closed}, False, {}
            if event:
                seq, stamp, kind, seal = event["seq"], event["timestamp"], event["event_type"], event.get("seal", {})
                run, closed = 0 if seal else run + 1, kind == "SEGMENT_CLOSED"
                begins = opens(event, name, self.fingerprint, key) if is_first else kind != "SEGMENT_OPENED" and not next_key(event)
                closes = not closed or not seal or not next_key(start) or seal["key"] == next_key(start)
                broken.update({3: not hash_is_right,
                               4: before and seq != before[0] + 1 or is_first and seq != int(name[:16]),
                               5: before and event["prev"] != before[1],
                               6: broken[6] or not begins or not closes,
                               7: seal and key and not is_sealed_by(key, event),
                               8: run == 16,
                               9: time and (stamp < time or stamp[:10] != time[:10])})
                before, time, key = (seq, event["hash"]), stamp, seal["key"] if seal else None if is_first else key
            else:
                before, key, run = None, None, 0
            waiting.append((name, at, event, broken))
            if seal or has_end and is_first:
                self.count(waiting)
        if is_last:
            self.unsealed = len(waiting) - (torn > 0)
            self.check(self.unsealed < 16 and torn < LIMIT, name, 0, 8)
        else:
            self.check(at and (not event or closed and seal), name, at, 6)
            self.check(not event or seal, name, at, 8)
            self.count(waiting)
        return before

    def count(self, waiting):
        """Takes in lines that are not in the unsealed end: what is found in them, and what they say."""
        for name, at, event, broken in waiting:
            self.findings += [(name, at, rule) for rule in broken if broken[rule]]
            if event:
                seq, kind, hold = event["seq"], event["event_type"], {str(event["details"].get("hold"))}
                is_head, is_sealed = self.head and seq == self.head["seq"], "seal" in event
                self.events, self.seals = self.events + 1, self.seals + is_sealed
                self.head_line = event if is_head else self.head_line
                self.seals_after_head = 0 if is_head else self.seals_after_head + is_sealed
                self.noted.update({seq: event["hash"]} if seq in self.noted else {})
                self.removals += [(name, at, event, bool(self.holds))] if kind == "AUDIT_PRUNED" else []
                self.holds |= hold if kind == "AUDIT_HOLD_ADDED" else set()
                self.holds -= hold if kind == "AUDIT_HOLD_REMOVED" else set()
        waiting.clear()

    def check_removals(self, first, retention):
        starts, recorded = {**{event["seq"]: event for event in self.removed}, **self.starts}, first == 1
        for name, at, event, is_held in self.removals:
            details, stamp = event["details"], when(event["timestamp"])
            if self.check(all(key in details and PRUNED[key](details[key]) for key in PRUNED), name, at, 10):
                last, waited, start = details["last_seq"], stamp - when(details["to"]), self.starts.get(first)
                is_at = lambda seq, time: seq in starts and (not starts[seq] or starts[seq]["timestamp"] == time)
                is_start = is_at(last + 1, details["to"]) and is_at(details["first_seq"], details["from"])
                is_start = is_start and sum(details["first_seq"] <= seq <= last for seq in starts) == details["segments"]
                self.check(is_start and waited >= details["retention_seconds"] * 10**6 and not is_held, name, at, 10)
                self.check(retention is None or waited >= retention * 86400 * 10**6, name, at, 12)
                recorded |= last >= first or last == first - 1 and (not start or start["prev"] == details["last_hash"])
        self.check(recorded, "", 0, 10)

    def fits_head(self, head, line):
        message = bytes.fromhex(head["hash"]) + head["seq"].to_bytes(8, "little") + bytes.fromhex(head["fingerprint"])
        fits = line and "seal" in line and line["hash"] == head["hash"] and head["fingerprint"] == self.fingerprint
        return fits and is_signed(line["seal"]["key"], b"nightlatch audit head v1\0" + message, head["sig"])

def verify(directory, *options):
    given = dict(zip(options[::2], options[1::2]))
    fingerprint, anchors, days = given.get("--fingerprint"), given.get("--anchors"), given.get("--retention")
    found = ANCHOR.findall(open(anchors, encoding="utf-8", errors="replace").read()) if anchors else []
    is_known = set(given) <= {"--fingerprint", "--anchors", "--retention"} and len(options) == 2 * len(given)
    if not is_known or anchors and not found or not or_null(HASH)(fingerprint) or not or_null(text("[0-9]{1,6}"))(days):
        raise OSError("no anchor in %s" % anchors if anchors and not found else __doc__)
    return Verification(directory, fingerprint, [(int(seq), digest, of) for seq, digest, of in found], days and int(days))

def main(arguments):
    if arguments[:1] == ["--batch"] and len(arguments) == 2:
        for given in map(json.loads, open(arguments[1], encoding="utf-8")):
            rules = sorted({rule for _, _, rule in verify(*given).findings})
            print(given[0], "bad" if rules else "good", *rules)
        return 0
    log = verify(*arguments or [""])
    for file, line, rule in log.findings[:1000]:
        print("%s:%d: rule %d" % (ascii(file)[1:-1], line, rule))
    print("%d events, %d seals, %d lines not vouched for, %d removals%s: %s" % (log.events, log.seals, log.unsealed, len(log.removals),
          "" if log.is_end_checked else ", end not checked", "%d findings" % len(log.findings) if log.findings else "verified"))
    return 7 if log.findings else 0

if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except OSError as error:
        sys.exit(print(error, file=sys.stderr) or 2)
