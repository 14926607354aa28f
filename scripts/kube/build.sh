#!/usr/bin/env bash
# Builds the pinned Kubernetes programs that the tests against a real API server need, from the Go module proxy, into a
# cache outside of the tree. The first time takes some ten minutes on two cores; later nothing is done.
set -euo pipefail
version=1.37.2
folder=${TRUNKLINE_KUBE:-$HOME/.cache/trunkline-kube}
programs=(kube-apiserver kubectl)

stamp="$folder/version"
[ "$(cat "$stamp" 2>/dev/null || true)" = "$version ${programs[*]}" ] && exit 0
command -v go >/dev/null || {
  echo "kube: Go is not installed; a real API server is built from its modules (Debian: golang, or go.dev)" >&2
  exit 1
}
say() { printf 'kube: %s\n' "$*" >&2; }

work=$folder/build
mkdir -p "$work"
cd "$work"
say "building Kubernetes $version (${programs[*]}) in $folder"
# Kubernetes is a module like others, but names its staging modules by path: each is replaced by its published self.
export GOFLAGS=-mod=mod
source=$(GO111MODULE=on go mod download -json "k8s.io/kubernetes@v$version" | sed -n 's/^\t"GoMod": "\(.*\)",\{0,1\}$/\1/p')
{
  printf 'module build\n\ngo 1.26.0\n\nrequire k8s.io/kubernetes v%s\n\nreplace (\n' "$version"
  sed -n 's#^\t\(k8s.io/[a-z0-9-]*\) => ./staging/.*#\1#p' "$source" | while read -r module; do
    printf '\t%s => %s v0.%s\n' "$module" "$module" "${version#1.}"
  done
  printf ')\n'
} >go.mod
: >go.sum
for program in "${programs[@]}"; do go get -tool "k8s.io/kubernetes/cmd/$program@v$version" >&2; done
at=k8s.io/component-base/version
for program in "${programs[@]}"; do
  say "$program"
  CGO_ENABLED=0 nice go build -trimpath -ldflags "-s -w -X $at.gitVersion=v$version -X $at.gitMajor=1 -X $at.gitMinor=37" \
    -o "$folder/$program" "k8s.io/kubernetes/cmd/$program"
done
printf '%s' "$version ${programs[*]}" >"$stamp"
