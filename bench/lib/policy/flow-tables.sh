#!/usr/bin/env bash
# The inside of the flow tables' bench (flow-tables.ts), in a kernel that has them: FOLDER with the rules, TALK, PAIRS, then for each
# pod LINK and ADDRESS: the first one serves. Prints WAY, and how many bytes a second went with tracking alone, by ours, again,
# by a flow table of one line, and again.
set -euo pipefail
folder=$1 talk=$2 pairs=$3
shift 3
port=8000
group=$((0x544c0000))

pod() {
  local name=$1 link=$2 address=$3
  ip netns add "$name"
  ip -n node link add "$link" group $group type veth peer name eth0 netns "$name"
  ip -n node link set "$link" up
  ip -n "$name" link set eth0 up
  ip -n "$name" addr add "$address/32" dev eth0
  ip -n "$name" neigh add 169.254.1.1 dev eth0 lladdr "$(ip netns exec node cat "/sys/class/net/$link/address")"
  ip -n "$name" route add default via 169.254.1.1 dev eth0 onlink
  ip -n node neigh add "$address" dev "$link" lladdr "$(ip netns exec "$name" cat /sys/class/net/eth0/address)"
  ip -n node route add "$address/32" dev "$link"
}
by() {
  ip netns exec node nft -f "$folder/$1.nft"
  ip netns exec node sysctl -qw "net.ipv4.conf.all.rp_filter=$2"
}

ip netns add node
ip netns exec node sysctl -qw net.ipv4.ip_forward=1
pod server "$1" "$2"
pod client "$3" "$4"
ip netns exec node nft -f "$folder/policy.nft"
by peer 0
ip netns exec server "$talk" serve "$2" $port &
server=$!
sleep 1
pipes=$(mktemp -d)
for way in ask send; do
  mkfifo "$pipes/in" "$pipes/out"
  ip netns exec client "$talk" open "$2" $port $way <"$pipes/in" >"$pipes/out" &
  exec 3>"$pipes/in" 4<"$pipes/out"
  slice() {
    by "$1" "$2"
    local rate
    # The first packets after the change are not counted.
    echo "50 400" >&3
    read -r rate <&4
    read -r rate <&4
    printf ' %s' "$rate"
  }
  for _ in $(seq "$pairs"); do
    printf '%s' $way
    slice peer 0
    slice ours 1
    [ "$way" != ask ] || ip netns exec node conntrack -L -p tcp 2>/dev/null | grep -q OFFLOAD
    slice peer 0
    slice least 0
    slice peer 0
    echo
  done
  exec 3>&- 4<&-
  rm "$pipes/in" "$pipes/out"
done
rm -r "$pipes"
kill $server
