#!/usr/bin/env bash
# nftables 1.0.6: a ruleset written back from `nft -j list ruleset` is another one. The listing as JSON leaves out that a table is
# dormant (so it comes back switched on), that a set is dynamic or merges what overlaps, that a map's data are ranges, every comment of
# tables, sets and chains, and the timeouts of a `ct timeout`. Of named synproxies, maps to address and port, sets by `typeof` of plain
# numbers, and chains on two devices it writes what `nft -j -f` refuses. The listing as text keeps all of these.
# Needs root (a network namespace).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
apt-get download -qq nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2 2>/dev/null >/dev/null
for package in ./*.deb; do dpkg -x "$package" .; done
export LD_LIBRARY_PATH=$work/usr/lib/x86_64-linux-gnu
cat >written-back.py <<'PY'
import os, subprocess, sys

def nft(*words, text=None):
    return subprocess.run([os.path.abspath("usr/sbin/nft"), *words], input=text, text=True, capture_output=True)

def table(body): return f"table inet t {{\n{body}\n}}\n"
lost = {
    "dormant table": table("flags dormant"),
    "comment of a table": table('comment "x"'),
    "comment of a chain": table('chain c { comment "x"\n }'),
    "comment of a set": table('set s { type ipv4_addr\n comment "x"\n }'),
    "dynamic set": table("set s { type ipv4_addr\n flags dynamic\n }"),
    "auto-merge": table("set s { type ipv4_addr\n flags interval\n auto-merge\n }"),
    "map to ranges": table("map m { type ipv4_addr : interval ipv4_addr\n flags interval\n }"),
    "ct timeout": table("ct timeout u { protocol tcp\n l3proto ip\n policy = { established: 3 }\n }"),
}
refused = {
    "synproxy": table("synproxy s { mss 1460\n wscale 7\n }"),
    "map to address and port": table("map m { type mark : ipv4_addr . inet_service\n }"),
    "set of lengths": table("set s { typeof ip length\n elements = { 100 }\n }"),
    "chain on two devices": "table netdev t {\n chain c { type filter hook ingress devices = { lo, va0 } priority 0; }\n}\n",
}
subprocess.run(["ip", "link", "add", "va0", "type", "veth", "peer", "name", "vb0"], check=True)

def what_becomes(text, form):
    nft("flush", "ruleset")
    assert nft("-f", "-", text=text).returncode == 0, text
    before, listing = nft("list", "ruleset").stdout, nft(*form, "list", "ruleset").stdout
    nft("flush", "ruleset")
    if nft(*form, "-f", "-", text=listing).returncode != 0:
        return "refused"
    return "kept" if nft("list", "ruleset").stdout == before else "lost"

seen = True
for expected, texts in (("lost", lost), ("refused", refused)):
    for name, text in texts.items():
        by_json, by_text = what_becomes(text, ["-j"]), what_becomes(text, [])
        print(f"{name}: by JSON {by_json}, by text {by_text}")
        seen = seen and (by_json, by_text) == (expected, "kept")
sys.exit(not seen)
PY
unshare --net python3 written-back.py
