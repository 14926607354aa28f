#!/usr/bin/env bash
# Sourced or run: makes a fresh Debian 12 machine ready (npm packages, Debian packages, bundle, CNI shim) and says what
# it installs. Quick when all is there. With --dev it also installs what only the tests need.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
dev=${1:-}

say() { printf 'setup: %s\n' "$*" >&2; }

# A stamp of the lock file tells whether node_modules is this checkout's.
lock=$(sha256sum package-lock.json | cut -d' ' -f1)
if [ "$(cat node_modules/.trunkline-lock 2>/dev/null || true)" != "$lock" ]; then
  say "installing npm packages (npm install, versions of package-lock.json)"
  # Not `npm ci`: it refuses where a registry does not carry the optional packages of other platforms.
  npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  # A new file: a copy of node_modules made of hard links is another checkout's too.
  rm -f node_modules/.trunkline-lock
  printf '%s' "$lock" >node_modules/.trunkline-lock
fi

# What each is for: nftables' library is the firewall's door; iproute2, tcpdump and iptables are what operators look
# with; the CNI plugins are chained behind ours; the C compiler builds the CNI executable; bird2 speaks BGP and RIP on nodes.
# With --image (npm run image): programs of the image are stripped by binutils.
# With --kube (scripts/kube): a cluster keeps its objects in etcd and starts containers by runc; kube-proxy wants conntrack,
# the image's programs are stripped by binutils, busybox is what manifests' shells are.
# Tests keep objects in a real etcd, run frr in labs' routers, look at offloads by ethtool, and run what this
# kernel lacks in a virtual machine (qemu, with busybox to start it; ipvsadm leads connections there as kube-proxy does).
# Lists of addresses are put into real servers (PostgreSQL, nginx, HAProxy).
packages=(libnftables1 nftables iproute2 iptables util-linux containernetworking-plugins gcc libc6-dev bird2)
[ "$dev" = --dev ] && packages+=(tcpdump conntrack procps jq ca-certificates shellcheck etcd-server etcd-client openssl frr ethtool
  ipvsadm qemu-system-x86 busybox-static runc binutils postgresql-15 nginx-light haproxy)
[ "$dev" = --image ] && packages+=(binutils)
[ "$dev" = --kube ] && packages+=(etcd-server openssl runc conntrack binutils busybox-static)
# A large one, for the page's tests and its bench alone (scripts/test.sh long).
[ "$dev" = --browser ] && packages+=(chromium)
missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ]; then
    say "installing Debian packages: ${missing[*]}"
    apt-get update -qq >&2
    # Routing daemons run where Trunkline starts them: no service of this machine is to do so (runlevel 1 starts none).
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    for unit in bird frr postgresql nginx haproxy; do
      if [[ " ${missing[*]} " == *" $unit"* ]] && [ -d /run/systemd/system ]; then systemctl disable -q "$unit" || true; fi
    done
  else
    say "missing Debian packages (install as root): ${missing[*]}"
  fi
fi

# Makes the CNI executable start sooner. Nothing depends on it, so a mirror that does not answer is not waited for.
if [ ! -f dist/cni/trunkline ] && [ "$(id -u)" = 0 ] && ! command -v musl-gcc >/dev/null; then
  say "installing Debian package: musl-tools"
  quick=(-o Acquire::http::Timeout=10 -o Acquire::https::Timeout=10 -o Acquire::Retries=0 -qq)
  { timeout 30 apt-get "${quick[@]}" update >&2 &&
    DEBIAN_FRONTEND=noninteractive apt-get "${quick[@]}" install -y --no-install-recommends musl-tools >/dev/null; } ||
    say "musl-tools cannot be installed: the CNI executable is linked with glibc"
fi

export PATH="$root/node_modules/.bin:$PATH"
if [ ! -f dist/trunkline.js ] || [ -n "$(find src web scripts/build.mjs scripts/build-web.mjs package-lock.json -newer dist/trunkline.js -print -quit)" ]; then
  say "building dist/trunkline.js"
  node scripts/build.mjs --quiet
fi
if [ -f scripts/build-shim.mjs ]; then
  node scripts/build-shim.mjs --quiet
fi
