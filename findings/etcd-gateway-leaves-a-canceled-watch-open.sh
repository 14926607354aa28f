#!/usr/bin/env bash
# etcd 3.4.23, JSON gateway: a watch from a compacted revision is answered with HTTP 200, "created", then "canceled" with
# "compact_revision" - and the stream stays open, silent. A client that reads until the end waits for ever.
# Seen: the two lines, and curl ended by its own time limit (exit code 28), not by the server
set -euo pipefail
work=$(mktemp -d); trap 'kill "${pid:-}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT; cd "$work"
apt-get download -qq etcd-server=3.4.23-4+b4 >/dev/null && dpkg -x etcd-server_*.deb .
client=http://127.0.0.1:23579
./usr/bin/etcd --data-dir data --listen-client-urls $client --advertise-client-urls $client \
  --listen-peer-urls http://127.0.0.1:23580 --logger zap --log-level error 2>/dev/null & pid=$!
for _ in $(seq 50); do curl -sf $client/health >/dev/null && break; sleep 0.1; done
for _ in 1 2 3; do curl -sf -d '{"key":"YQ==","value":"YQ=="}' $client/v3/kv/put >/dev/null; done
curl -sf -d '{"revision":"3"}' $client/v3/kv/compaction >/dev/null
code=0
curl -sN -m 5 -w 'HTTP %{http_code}\n' -d '{"create_request":{"key":"YQ==","start_revision":"1"}}' $client/v3/watch >seen || code=$?
cat seen; echo "curl ended with $code"
[[ $code == 28 ]] && grep -q '"canceled":true' seen && grep -q '"compact_revision":"3"' seen && grep -q 'HTTP 200' seen
