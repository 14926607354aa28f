#!/usr/bin/env bash
# Runs a command as root in a virtual machine with Debian's kernel, for what this machine's kernel lacks: it sees this
# machine's files (its own changes to them are forgotten) and this checkout (its changes to that stay). Prints what the
# command prints and ends with its exit code; 125: the machine itself failed.
#
# By software emulation only: nested virtualisation hangs on some machines that offer it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$PWD
vm=$root/.cache/vm
memory=${TRUNKLINE_VM_MEMORY:-2G}
patience=${TRUNKLINE_VM_SECONDS:-1800}
# More of the kernel's command line, such as ipv6.disable=1.
parameters=${TRUNKLINE_VM_KERNEL:-}

fail() {
  printf 'vm: %s\n' "$*" >&2
  exit 125
}

[ $# -gt 0 ] || { printf 'usage: npm run vm -- COMMAND [ARGUMENT…]\n' >&2; exit 2; }
[ "$(id -u)" = 0 ] || fail "root is needed: the machine sees this machine's files"
command -v qemu-system-x86_64 >/dev/null || fail "qemu-system-x86_64 is not installed (Debian's package qemu-system-x86)"
[ -x /bin/busybox ] || fail "/bin/busybox is not installed (Debian's package busybox-static)"
bash scripts/vm/prepare.sh || fail "the kernel could not be prepared"

work=$(mktemp -d "${TMPDIR:-/tmp}/trunkline-vm-XXXXXX")
qemu=
finish() {
  [ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# One word a line would break words that hold line ends: each is quoted for the shell that reads it.
quote() { printf "'%s'" "${1//\'/\'\\\'\'}"; }
{
  printf 'cd %s || exit 125\n' "$(quote "$root")"
  printf 'export PATH=%s HOME=/root LC_ALL=C.UTF-8 TRUNKLINE_VM=1\n' "$(quote "$root/node_modules/.bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")"
  for name in TRUNKLINE_SEED; do
    [ -z "${!name:-}" ] || printf 'export %s=%s\n' "$name" "$(quote "${!name}")"
  done
  printf 'exec'
  for word in "$@"; do printf ' %s' "$(quote "$word")"; done
  printf '\n'
} >"$work/job.sh"
: >"$work/code"

share() { printf 'local,path=%s,mount_tag=%s,security_model=%s,multidevs=remap,id=%s' "${1//,/,,}" "$2" "$3" "$2"; }
# no_timer_check: on a busy machine the emulated timer comes too late for the kernel's test of it, which then gives up ("IO-APIC +
# timer doesn't work").
arguments=(
  -nodefaults -no-user-config -display none -no-reboot -accel tcg,thread=multi -cpu max -smp 2 -m "$memory"
  -kernel "$vm/vmlinuz" -initrd "$vm/initramfs"
  -append "console=ttyS0 quiet panic=-1 random.trust_cpu=on no_timer_check checkout=${root// /%20}${parameters:+ $parameters}"
  -serial "file:$work/console.log"
  -virtfs "$(share / root none),readonly=on" -virtfs "$(share "$root" checkout passthrough)"
  -virtfs "$(share "$work" work passthrough)"
  -device virtio-rng-pci -device virtio-serial-pci
  -chardev "file,id=out,path=$work/out" -device virtserialport,chardev=out,nr=1
  -chardev "file,id=err,path=$work/err" -device virtserialport,chardev=err,nr=2
)
# Whoever writes by the file's name would write over what others write into it.
mkfifo "$work/out" "$work/err"
cat "$work/out" &
readers=($!)
cat "$work/err" >&2 &
readers+=($!)
qemu-system-x86_64 "${arguments[@]}" </dev/null >"$work/qemu.log" 2>&1 &
qemu=$!
started=$SECONDS
while kill -0 "$qemu" 2>/dev/null; do
  if [ $((SECONDS - started)) -gt "$patience" ]; then
    printf 'vm: ended after %s seconds\n' "$patience" >&2
    kill "$qemu"
  fi
  sleep 0.2
done
wait "$qemu" || true
qemu=
code=$(cat "$work/code")
if [ -z "$code" ]; then
  # It may have ended before it opened what they read.
  kill "${readers[@]}" 2>/dev/null || true
  tail -n 20 "$work/qemu.log" "$work/console.log" >&2
  fail "the machine ended without an exit code"
fi
# The rest of what was printed.
wait
exit "$code"
