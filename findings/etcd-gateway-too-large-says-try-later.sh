#!/usr/bin/env bash
# etcd 3.4.23, JSON gateway: a value of 1.5 to 2 MiB is refused with HTTP 400, one over 2 MiB with HTTP 429 ("Too Many
# Requests"), the code that clients are told to answer by waiting and trying again. It never gets better.
# Seen: 400 {"error":"etcdserver: request is too large",…,"code":3}; 429 {"error":"grpc: received message larger than max …","code":8}
set -euo pipefail
work=$(mktemp -d); trap 'kill "${pid:-}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT; cd "$work"
apt-get download -qq etcd-server=3.4.23-4+b4 >/dev/null && dpkg -x etcd-server_*.deb .
client=http://127.0.0.1:23579
./usr/bin/etcd --data-dir data --listen-client-urls $client --advertise-client-urls $client \
  --listen-peer-urls http://127.0.0.1:23580 --logger zap --log-level error 2>/dev/null & pid=$!
for _ in $(seq 50); do curl -sf $client/health >/dev/null && break; sleep 0.1; done
put() { # $1: bytes
  printf '{"key":"YQ==","value":"%s"}' "$(head -c "$1" /dev/zero | base64 -w0)" >body
  curl -s -o answer -w '%{http_code} ' -d @body $client/v3/kv/put; head -c 160 answer; echo
}
small=$(put 1700000); large=$(put 2500000)
printf 'a value of 1.7 MB: %s\na value of 2.5 MB: %s\n' "$small" "$large"
[[ $small == 400* && $large == 429* ]]
