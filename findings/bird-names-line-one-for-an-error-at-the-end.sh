#!/usr/bin/env bash
# BIRD 2.0.12: a brace that is missing at the end of the configuration is reported at line 1, column 0, of the file,
# however long it is.
# Seen: "bird: bird.conf:1:0 syntax error, unexpected end of file"
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
apt-get download -qq bird2=2.0.12-7 2>/dev/null >/dev/null && dpkg -x bird2_*.deb .
printf 'router id 192.0.2.1;\nprotocol device {}\nprotocol static { ipv4;\n' >bird.conf
said=$(./usr/sbin/bird -p -c bird.conf 2>&1 || true)
printf '%s\n' "$said"
[[ $said == *bird.conf:1:0* ]]
