#!/usr/bin/env bash
# Starts, in the lab that runs (or `--lab NAME`), PostgreSQL, nginx and HAProxy on its hosts, and a firewall; nobody is admitted yet.
# They end with the lab, or by `servers.sh stop`. Needs root, and Debian's postgresql-15, nginx and haproxy.
set -euo pipefail
folder=/tmp/trunkline-allowlist
trunkline=$(cd "$(dirname "$0")/../.." && pwd)/bin/trunkline
stop=
[ "${1:-}" = stop ] && { stop=yes; shift; }
on() { host=$1; shift; "$trunkline" lab exec "host/$host" "${lab[@]}" -- "$@"; }
lab=("$@")
end() { # by the process ids that they have written
  for file in "$folder"/nginx/pid "$folder"/haproxy/pid "$folder"/postgres/postmaster.pid; do
    [ -f "$file" ] || continue
    pid=$(head -n 1 "$file")
    case "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)" in *nginx* | *haproxy* | *postgres*) kill -INT "$pid" || true ;; esac
    for _ in $(seq 100); do [ -d "/proc/$pid" ] || break; sleep 0.1; done
  done
  rm -rf "$folder"
}
end
[ -z "$stop" ] || exit 0

mkdir -p "$folder"/nginx "$folder"/haproxy "$folder"/postgres
chown postgres "$folder" "$folder"/postgres
chmod 755 "$folder"
chmod 700 "$folder"/postgres
owner=(setpriv --reuid=postgres --regid=postgres --clear-groups --)
bin=/usr/lib/postgresql/15/bin
(cd / && "${owner[@]}" "$bin"/initdb -D "$folder"/postgres -A peer -E UTF8 --no-sync --no-instructions >/dev/null)
printf 'local all all peer\n' >"$folder"/postgres/pg_hba.conf
(cd / && on db "${owner[@]}" "$bin"/pg_ctl -D "$folder"/postgres -l "$folder"/postgres/log -w \
  -o "-k $folder -c listen_addresses=192.168.200.10 -c fsync=off -c max_connections=300" start >/dev/null)

printf 'deny all;\n' >"$folder"/nginx/allow.conf
printf 'here\n' >"$folder"/nginx/index.html
cat >"$folder"/nginx/nginx.conf <<END
user root;
pid $folder/nginx/pid;
error_log $folder/nginx/error.log;
events { worker_connections 1000; }
http {
  access_log off;
  server { listen 192.168.200.12:80; root $folder/nginx; include $folder/nginx/allow.conf; }
}
END
on proxy nginx -c "$folder"/nginx/nginx.conf

: >"$folder"/haproxy/allow.lst
cat >"$folder"/haproxy/haproxy.cfg <<END
global
  stats socket $folder/haproxy/admin.sock mode 600 level admin
defaults
  mode tcp
  timeout client 90s
  timeout server 90s
  timeout connect 90s
frontend echo
  bind 192.168.200.12:7000
  tcp-request connection reject unless { src -f $folder/haproxy/allow.lst }
  default_backend echo
backend echo
  server echo 192.168.200.13:7000
END
on proxy haproxy -D -p "$folder"/haproxy/pid -f "$folder"/haproxy/haproxy.cfg

on store nft 'add table inet guard
add set inet guard clients { type ipv4_addr; flags interval; }
add chain inet guard input { type filter hook input priority 0; }
add rule inet guard input tcp dport 9000 ip saddr != @clients reject with tcp reset'
