#!/usr/bin/env bash
# BIRD 2.0.12: a BGP speaker that sends thousands of routes with next hops of their own in one go often keeps the last some hundred of them until something
# wakes its loop, which does so by itself after three seconds; any question at its control socket sends them at once. Needs root
# (network namespaces of its own).
# Seen: of six sessions with 5,000 routes at least one was complete only 3 s after its first routes, and all within 1 s
# where the sender was asked `show status` meanwhile
set -euo pipefail
if [ "${1:-}" != inside ]; then
  work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
  (cd "$work" && apt-get download -qq bird2=2.0.12-7 >/dev/null && dpkg -x bird2_*.deb .)
  unshare --net -- bash "$0" inside "$work"
  exit
fi
work=$2; trap 'kill "${other:-}" $(cat ./*.pid) 2>/dev/null || true; wait' EXIT; cd "$work"
unshare --net -- sleep 600 & other=$!
until [ "$(readlink "/proc/$other/ns/net" 2>/dev/null)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.1; done
in_other() { nsenter --net="/proc/$other/ns/net" "$@"; }
ip link add near type veth peer name far netns "$other"
ip address add 172.16.0.1/16 dev near; ip link set near up
in_other ip address add 172.16.0.2/16 dev far; in_other ip link set far up
{
  echo 'router id 172.16.0.1; protocol device {} protocol direct { ipv4; }'
  echo 'protocol static blocks { ipv4;'
  for ((i = 0; i < 5000; i++)); do echo "route 10.$((i / 1024)).$((i / 4 % 256)).$((i % 4 * 64))/26 via 172.16.$((i / 250 + 1)).$((i % 250 + 1));"; done
  echo '}'
  echo 'protocol bgp b { disabled; passive; local 172.16.0.1 as 64512; neighbor 172.16.0.2 as 64512;'
  echo '  ipv4 { import none; export where proto = "blocks"; next hop keep; }; }'
} >sender.conf
cat >receiver.conf <<'END'
router id 172.16.0.2; protocol device {} protocol direct { ipv4; }
protocol kernel { ipv4 { import none; export where source = RTS_BGP; }; }
protocol bgp b { local 172.16.0.2 as 64512; neighbor 172.16.0.1 as 64512; connect delay time 1; connect retry time 1;
  error wait time 1, 1; ipv4 { import all; export none; }; }
END
./usr/sbin/bird -f -c sender.conf -s sender.ctl -P sender.pid &
in_other ./usr/sbin/bird -f -c receiver.conf -s receiver.ctl -P receiver.pid &
until [ -S sender.ctl ] && [ -S receiver.ctl ]; do sleep 0.1; done
ask() { ./usr/sbin/birdc -s "$@" >/dev/null; }
count() { in_other ip -4 route show proto bird | wc -l; }
ms() { echo "$(($(date +%s%N) / 1000000))"; }
session() { # $1: what is done while routes come; prints milliseconds from the first routes to the last
  ask sender.ctl disable b
  until [ "$(count)" = 0 ]; do sleep 0.1; done
  sleep 1.5
  ask sender.ctl enable b
  until [ "$(count)" != 0 ]; do sleep 0.01; done
  local first; first=$(ms)
  until [ "$(count)" = 5000 ]; do "$@"; sleep 0.01; done
  echo $(($(ms) - first))
}
left=(); woken=()
for _ in 1 2 3 4 5 6; do left+=("$(session true)"); woken+=("$(session ask sender.ctl show status)"); done
printf 'left alone, ms: %s\nwoken, ms: %s\n' "${left[*]}" "${woken[*]}"
late() { local one n=0; for one in "$@"; do if [ "$one" -gt 2000 ]; then n=$((n + 1)); fi; done; echo "$n"; }
[ "$(late "${left[@]}")" -ge 1 ] && [ "$(late "${woken[@]}")" = 0 ]
