"""profile_wire.py: pprof profiles written and read without any library, for the symboliser's tests.

Written from the published profile.proto alone, so that a mistake of the program is not repeated
here. A Profile holds plain Python values; `encode` makes the bytes, `decode` the values again.

SPDX-License-Identifier: MIT
"""
import gzip


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(tag, value):
    return b"" if value == 0 else varint(tag << 3) + varint(value)


def chunk(tag, data):
    return varint(tag << 3 | 2) + varint(len(data)) + data


def fields(data):
    """(tag, wire type, value) for each field."""
    at = 0

    def read():
        nonlocal at
        shift = value = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = read()
        kind = key & 7
        if kind == 0:
            yield key >> 3, kind, read()
        elif kind == 2:
            size = read()
            assert at + size <= len(data)
            yield key >> 3, kind, data[at:at + size]
            at += size
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            yield key >> 3, kind, data[at:at + size]
            at += size
        else:
            raise ValueError("wire type %d" % kind)


class Profile:
    """mappings: dicts start, limit, offset, file, build_id; locations: dicts address, mapping (id),
    lines [(function id, line)]; functions: (name, system_name, file, start_line)."""

    def __init__(self):
        self.mappings, self.locations, self.functions, self.strings = [], [], [], [""]
        self.extra, self.index = b"", {"": 0}

    def string(self, text):
        if text not in self.index:
            self.index[text] = len(self.strings)
            self.strings.append(text)
        return self.index[text]

    def mapping(self, start, limit, offset, file, build_id=""):
        self.mappings.append(dict(start=start, limit=limit, offset=offset, file=file,
                                  build_id=build_id))
        return len(self.mappings)

    def location(self, mapping, address, lines=()):
        self.locations.append(dict(mapping=mapping, address=address, lines=list(lines)))
        return len(self.locations)

    def function(self, name, system_name="", file="", start_line=0):
        self.functions.append((name, system_name, file, start_line))
        return len(self.functions)

    def encode(self, stacks=None, strings_first=False):
        samples, out = self.string("samples"), b""
        count = self.string("count")
        out += chunk(1, number(1, samples) + number(2, count))
        if stacks is None:
            stacks = [[i + 1] for i in range(len(self.locations))]
        for i, stack in enumerate(stacks):
            ids = b"".join(varint(x) for x in stack)
            out += chunk(2, chunk(1, ids) + chunk(2, varint(i + 1)))
        body = b""
        for i, m in enumerate(self.mappings):
            body += chunk(3, number(1, i + 1) + number(2, m["start"]) + number(3, m["limit"]) +
                          number(4, m["offset"]) + number(5, self.string(m["file"])) +
                          number(6, self.string(m["build_id"])))
        for i, x in enumerate(self.locations):
            body += chunk(4, number(1, i + 1) + number(2, x["mapping"]) + number(3, x["address"]) +
                          b"".join(chunk(4, number(1, f) + number(2, n)) for f, n in x["lines"]))
        for i, (name, system_name, file, start) in enumerate(self.functions):
            body += chunk(5, number(1, i + 1) + number(2, self.string(name)) +
                          number(3, self.string(system_name)) + number(4, self.string(file)) +
                          number(5, start))
        table = b"".join(chunk(6, s.encode()) for s in self.strings)
        out += table + body if strings_first else body + table
        out += number(9, 1700000000000000000) + self.extra
        return out

    def write(self, path, **how):
        with open(path, "wb") as f:
            f.write(gzip.compress(self.encode(**how), 1))


class Decoded:
    """mappings[id], functions[id], locations[id] with their names; `other`: fields not understood."""

    def __init__(self, path):
        with open(path, "rb") as f:
            data = gzip.decompress(f.read())
        raw = list(fields(data))
        self.strings = [v.decode() for t, _, v in raw if t == 6]
        self.samples = [v for t, _, v in raw if t == 2]
        self.types = [v for t, _, v in raw if t == 1]
        self.other = [(t, k, v) for t, k, v in raw if t > 6]
        text = self.strings.__getitem__
        self.mappings, self.functions, self.locations = {}, {}, {}
        self.orders = {3: [], 4: [], 5: []}
        for tag, _, value in raw:
            if tag not in (3, 4, 5):
                continue
            got, lines = {}, []
            for t, _, v in fields(value):
                if tag == 4 and t == 4:
                    line = {a: b for a, _, b in fields(v)}
                    lines.append((line.get(1, 0), line.get(2, 0)))
                else:
                    assert t not in got, "field twice"
                    got[t] = v
            key = got.get(1, 0)
            self.orders[tag].append(key)
            if tag == 3:
                self.mappings[key] = dict(file=text(got.get(5, 0)), build_id=text(got.get(6, 0)),
                                          flags=tuple(got.get(i, 0) for i in (7, 8, 9, 10)))
            elif tag == 4:
                self.locations[key] = dict(mapping=got.get(2, 0), address=got.get(3, 0),
                                           lines=lines)
            else:
                self.functions[key] = dict(name=text(got.get(2, 0)), system=text(got.get(3, 0)),
                                           file=text(got.get(4, 0)), start=got.get(5, 0))

    def frames(self, location):
        """[(name, system_name, file, line)], innermost first."""
        out = []
        for function, line in self.locations[location]["lines"]:
            f = self.functions[function]
            out.append((f["name"], f["system"], f["file"], line))
        return out

    def names(self, location):
        return [f[0] for f in self.frames(location)]

    def dense(self):
        return self.strings[0] == "" and all(v == list(range(1, len(v) + 1))
                                             for v in self.orders.values())
