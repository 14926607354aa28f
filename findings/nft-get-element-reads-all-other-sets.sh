#!/usr/bin/env bash
# nftables 1.0.6: `nft get element` of a set that holds one address first reads every element of every set of every table, and so does
# `nft list tables`, which prints names only. `nft list chains` and `nft add element` do not. Needs root (a network namespace).
# Seen with 50,000 addresses in a set of another table: 110 ms each, against 2 ms.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
apt-get download -qq nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2 2>/dev/null >/dev/null
for package in ./*.deb; do dpkg -x "$package" .; done
export LD_LIBRARY_PATH=$work/usr/lib/x86_64-linux-gnu
cat >measure.py <<'PY'
import os, statistics, subprocess, sys, time

nft = os.path.abspath("usr/sbin/nft")
addresses = ",".join(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(50_000))
rules = f"""add table inet big; add set inet big many {{ type ipv4_addr; }}; add element inet big many {{ {addresses} }}
add table inet small; add set inet small one {{ type ipv4_addr; }}; add element inet small one {{ 192.0.2.1 }}"""
subprocess.run([nft, "-f", "-"], input=rules, text=True, check=True)

def took(*words):
    """Milliseconds, median of five runs."""
    def once():
        began = time.perf_counter()
        subprocess.run([nft, *words], check=True, stdout=subprocess.DEVNULL)
        return (time.perf_counter() - began) * 1000
    return statistics.median(once() for _ in range(5))

chains = took("list", "chains")
add = took("add", "element", "inet", "small", "one", "{ 192.0.2.2 }")
get = took("get", "element", "inet", "small", "one", "{ 192.0.2.1 }")
tables = took("list", "tables")
print(f"list chains {chains:.0f} ms, add element {add:.0f} ms, get element {get:.0f} ms, list tables {tables:.0f} ms")
sys.exit(not (min(get, tables) > 5 * max(chains, add)))
PY
unshare --net python3 measure.py
