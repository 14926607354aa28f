#!/usr/bin/env bash
# etcd 3.4.23, JSON gateway: a request with an unknown field is not refused. {"key":…,"valu":…} succeeds and stores an
# empty value over the old one; a compare without "target" compares versions, whatever else it holds.
# Seen: put {"header":{…}}; range: the key is there and has no "value"; txn: "succeeded":true against a wrong value
set -euo pipefail
work=$(mktemp -d); trap 'kill "${pid:-}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT; cd "$work"
apt-get download -qq etcd-server=3.4.23-4+b4 >/dev/null && dpkg -x etcd-server_*.deb .
client=http://127.0.0.1:23579
./usr/bin/etcd --data-dir data --listen-client-urls $client --advertise-client-urls $client \
  --listen-peer-urls http://127.0.0.1:23580 --logger zap --log-level error 2>/dev/null & pid=$!
for _ in $(seq 50); do curl -sf $client/health >/dev/null && break; sleep 0.1; done
ask() { curl -s -w ' HTTP %{http_code}' -d "$2" "$client/v3/kv/$1"; }
key=$(printf k | base64); old=$(printf old | base64); new=$(printf new | base64)
ask put "{\"key\":\"$key\",\"value\":\"$old\"}" >/dev/null
misspelt=$(ask put "{\"key\":\"$key\",\"valu\":\"$new\"}"); stored=$(ask range "{\"key\":\"$key\"}")
# The key was written twice, so its version is 2: this compares that, and not the value that it names.
compared=$(ask txn "{\"compare\":[{\"key\":\"$key\",\"value\":\"$new\",\"version\":\"2\"}],\"success\":[],\"failure\":[]}")
printf 'put with "valu": %s\nstored: %s\ncompare without target: %s\n' "$misspelt" "$stored" "$compared"
[[ $misspelt == *'HTTP 200' && $stored == *'"count":"1"'* && $stored != *'"value"'* && $compared == *'"succeeded":true'* ]]
