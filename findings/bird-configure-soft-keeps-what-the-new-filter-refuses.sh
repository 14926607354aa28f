#!/usr/bin/env bash
# BIRD 2.0.12: after `configure soft` with a stricter export filter BIRD shows the new filter, and keeps what it exported
# under the old one; `reload out NAME` withdraws it. Needs root (a network namespace of its own).
# Seen: the kernel's route stands after "Reconfigured", and is gone after "reload out"
set -euo pipefail
if [ "${1:-}" != inside ]; then
  work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
  (cd "$work" && apt-get download -qq bird2=2.0.12-7 >/dev/null && dpkg -x bird2_*.deb .)
  unshare --net -- bash "$0" inside "$work"
  exit
fi
work=$2; trap 'kill "${pid:-}" 2>/dev/null || true; wait' EXIT; cd "$work"
ip link set lo up
config() { # $1: what is exported to the kernel
  cat >bird.conf <<END
router id 192.0.2.1;
protocol device {}
protocol static { ipv4; route 198.51.100.0/24 via "lo"; }
protocol kernel k { ipv4 { import none; export $1; }; }
END
}
birdc() { ./usr/sbin/birdc -s "$work/ctl" "$@" | tail -n 1; }
shown() { ip -4 route show 198.51.100.0/24; }
config all; ./usr/sbin/bird -f -c "$work/bird.conf" -s "$work/ctl" -P "$work/pid" & pid=$!
for _ in $(seq 50); do [ -n "$(shown)" ] && break; sleep 0.1; done
config none; said=$(birdc configure soft); sleep 1; soft=$(shown)
birdc reload out k >/dev/null; sleep 1; reloaded=$(shown)
printf 'configure soft: %s\nroute after it: %s\nroute after reload out: %s\n' "$said" "$soft" "${reloaded:-none}"
[[ $said == Reconfigured && -n $soft && -z $reloaded ]]
