#!/usr/bin/env bash
# Makes .cache/vm: Debian's kernel and its modules, unpacked and not installed, and an initramfs that mounts this
# machine's files. What is there already is used, so that nothing is fetched twice.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
vm=$PWD/.cache/vm
stamp=$(cat scripts/vm/prepare.sh scripts/vm/init | sha256sum | cut -d' ' -f1)
[ "$(cat "$vm/stamp" 2>/dev/null || true)" = "$stamp" ] && exit 0

say() { printf 'vm: %s\n' "$*" >&2; }

mkdir -p "$vm"
exec 9>"$vm/lock"
flock 9
[ "$(cat "$vm/stamp" 2>/dev/null || true)" = "$stamp" ] && exit 0
rm -f "$vm/stamp"

if [ ! -f "$vm/vmlinuz" ]; then
  package=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*-amd64\)$/\1/p' | head -n 1)
  [ -n "$package" ] || { say "apt knows no linux-image-amd64: run 'apt-get update'"; exit 1; }
  say "fetching Debian package $package (unpacked into .cache/vm, not installed)"
  rm -rf "$vm/fetch"
  mkdir -p "$vm/fetch/files"
  # It warns about its own user even where all is well.
  words=$(cd "$vm/fetch" && apt-get -qq download "$package" 2>&1) || { say "apt-get: $words"; exit 1; }
  dpkg-deb -x "$vm"/fetch/*.deb "$vm/fetch/files"
  version=$(basename "$vm"/fetch/files/lib/modules/*)
  rm -rf "$vm/modules"
  # A merged /usr has no /lib of its own.
  mv "$vm/fetch/files/lib/modules" "$vm/modules"
  mkdir -p "$vm/tree/lib"
  ln -sfn ../../modules "$vm/tree/lib/modules"
  busybox depmod -b "$vm/tree" "$version"
  mv "$vm/fetch/files/boot/vmlinuz-$version" "$vm/vmlinuz"
  rm -rf "$vm/fetch" "$vm/tree"
fi

version=$(basename "$vm"/modules/*)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree"/{bin,sbin,dev,proc,sys,lower,upper,new,work,lib/modules/"$version"}
cp /bin/busybox "$tree/bin/busybox"
for name in sh mount mkdir modprobe chroot cat poweroff sync ls sleep; do ln -s busybox "$tree/bin/$name"; done
ln -s ../bin/busybox "$tree/sbin/modprobe"
install -m 0755 scripts/vm/init "$tree/init"
# What mounts this machine's files; the rest is loaded from there.
for name in virtio_pci 9pnet_virtio 9p overlay virtio_console virtio-rng; do
  line=$(grep "/$name\.ko:" "$vm/modules/$version/modules.dep")
  for file in ${line/:/ }; do
    mkdir -p "$tree/lib/modules/$version/$(dirname "$file")"
    cp "$vm/modules/$version/$file" "$tree/lib/modules/$version/$file"
  done
done
cp "$vm/modules/$version"/modules.{dep,alias,symbols} "$tree/lib/modules/$version/"
(cd "$tree" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$vm/initramfs.new"
mv "$vm/initramfs.new" "$vm/initramfs"
printf '%s' "$stamp" >"$vm/stamp"
