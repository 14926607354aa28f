#!/usr/bin/env bash
# nginx 1.22.1: a `geo` block in `ranges` form with one include of more than 100,000 ranges writes NAME.bin beside the file it included,
# and reads that from then on wherever the text's modification time is not newer. A new list that comes with its own, earlier time
# (`rsync -t`, `cp -p`, a file unpacked and moved into place) passes `nginx -t`, is reloaded, and is not in force; neither says a word but
# a notice in the log. Needs root (a network namespace).
set -euo pipefail
work=$(mktemp -d); cd "$work"
chmod 755 .
nginx='' holder=''
finish() {
  for each in $nginx $holder; do kill "$each" 2>/dev/null || true; done
  wait
  rm -rf "$work"
}
trap finish EXIT
apt-get download -qq nginx=1.22.1-9+deb12u11 2>/dev/null >/dev/null
dpkg -x nginx_*.deb .
ranges() { # ANSWER: of 127.0.0.0/8, behind 100,001 ranges that nobody asks for
  python3 -c 'import ipaddress, sys
for n in range(100_001):
    at = ipaddress.ip_address("11.0.0.0") + 4 * n
    print(f"{at}-{at + 1} other;")
print(f"127.0.0.0-127.255.255.255 {sys.argv[1]};")' "$1"
}
mkdir run
ranges first >list
cat >nginx.conf <<CONF
pid $work/run/pid; error_log $work/run/log notice; worker_processes 1; user root; daemon off;
events {}
http {
  access_log off; client_body_temp_path run/1; proxy_temp_path run/2; fastcgi_temp_path run/3; uwsgi_temp_path run/4; scgi_temp_path run/5;
  geo \$answer { ranges; default none; include $work/list; }
  server { listen 127.0.0.1:8099; location / { return 200 \$answer; } }
}
CONF
unshare --net sleep 600 & holder=$!
sleep 0.5
inside=(nsenter --net="/proc/$holder/ns/net")
"${inside[@]}" ip link set lo up
run=(usr/sbin/nginx -c "$work/nginx.conf" -p "$work/" -e "$work/run/log")
"${inside[@]}" "${run[@]}" & nginx=$!
answer() { sleep 3; "${inside[@]}" curl -s http://127.0.0.1:8099/; }
one=$(answer)
ranges second >next
touch -d '1 hour ago' next
mv next list
"${run[@]}" -t 2>/dev/null
kill -HUP "$nginx"
two=$(answer)
touch list
kill -HUP "$nginx"
three=$(answer)
echo "at first $one; with another list that is older than list.bin: $two; once it is newer: $three"
[ "$one $two $three" = "first first second" ] && [ -f list.bin ]
