#!/usr/bin/env bash
# Builds the pinned programs that the tests on a real cluster need, from the Go module proxy, into a cache outside of the
# tree: Kubernetes, containerd, Helm. The first time takes some fifteen minutes on two cores; later nothing is done.
# `build.sh api` builds what the tests without kubelets need, `build.sh e2e` also Kubernetes' own tests of networks,
# `build.sh bench` also an etcd as clusters of this version have it: Debian's is too old for lists out of the API server's cache.
set -euo pipefail
kubernetes=1.37.2
containerd=2.2.1
helm=3.22.0
etcd=3.7.3
folder=${TRUNKLINE_KUBE:-$HOME/.cache/trunkline-kube}
stamps=$folder/stamps
say() { printf 'kube: %s\n' "$*" >&2; }

wanted=(kube-apiserver kubectl kube-proxy helm)
[ "${1:-all}" = e2e ] && wanted+=(e2e.test)
[ "${1:-all}" = bench ] && wanted+=(etcd)
[ "${1:-all}" = api ] || wanted+=(kube-controller-manager kube-scheduler kubelet agnhost containerd ctr containerd-shim-runc-v2)

# Each program says by its stamp which version it is: one that is added does not cost the others.
version_of() {
  case $1 in
    helm) echo "$helm" ;;
    etcd) echo "$etcd" ;;
    containerd | ctr | containerd-shim-runc-v2) echo "$containerd" ;;
    *) echo "$kubernetes" ;;
  esac
}
missing=()
for program in "${wanted[@]}"; do
  [ "$(cat "$stamps/$program" 2>/dev/null || true)" = "$(version_of "$program")" ] || missing+=("$program")
done
[ ${#missing[@]} -gt 0 ] || exit 0
command -v go >/dev/null || {
  echo "kube: Go is not installed; a real cluster is built from its modules (Debian: golang, or go.dev)" >&2
  exit 1
}
mkdir -p "$stamps"
export GOFLAGS=-mod=mod CGO_ENABLED=0

# module FOLDER: an empty module to build in.
module() {
  mkdir -p "$folder/build/$1"
  cd "$folder/build/$1"
}

# compile PROGRAM PACKAGE FLAGS…
compile() {
  local program=$1 package=$2
  shift 2
  say "$program $(version_of "$program")"
  local build=(build)
  [ "$program" = e2e.test ] && build=(test -c -vet=off)
  # Renamed when it is whole: a build that is interrupted leaves no program.
  nice go "${build[@]}" -trimpath "$@" -o "$folder/.$program.new" "$package"
  mv "$folder/.$program.new" "$folder/$program"
  version_of "$program" >"$stamps/$program"
}

# Kubernetes is a module like others, but names its staging modules by path: each is replaced by its published self.
kubernetes_module() {
  module kubernetes
  [ "$(cat for 2>/dev/null || true)" = "$kubernetes" ] && return
  local source
  source=$(go mod download -json "k8s.io/kubernetes@v$kubernetes" | sed -n 's/^\t"GoMod": "\(.*\)",\{0,1\}$/\1/p')
  {
    printf 'module build\n\ngo 1.26.0\n\nrequire k8s.io/kubernetes v%s\n\nreplace (\n' "$kubernetes"
    sed -n 's#^\t\(k8s.io/[a-z0-9-]*\) => ./staging/.*#\1#p' "$source" | while read -r name; do
      printf '\t%s => %s v0.%s\n' "$name" "$name" "${kubernetes#1.}"
    done
    printf ')\n'
  } >go.mod
  : >go.sum
  printf '%s' "$kubernetes" >for
}

foreign_module() {
  module "$1"
  [ -f go.mod ] || printf 'module build\n\ngo 1.26.0\n' >go.mod
}

say "building in $folder: ${missing[*]}"
for program in "${missing[@]}"; do
  case $program in
    helm)
      foreign_module helm
      go get "helm.sh/helm/v3/cmd/helm@v$helm" 2>/dev/null
      compile helm helm.sh/helm/v3/cmd/helm -ldflags '-s -w'
      ;;
    etcd)
      foreign_module etcd
      package=go.etcd.io/etcd/server/v3
      go get "$package@v$etcd" 2>/dev/null
      compile etcd "$package" -ldflags '-s -w'
      ;;
    containerd | ctr | containerd-shim-runc-v2)
      foreign_module containerd
      package=github.com/containerd/containerd/v2/cmd/$program
      go get "$package@v$containerd" 2>/dev/null
      compile "$program" "$package" -tags 'no_btrfs no_zfs no_devmapper no_aufs' -ldflags '-s -w'
      ;;
    *)
      kubernetes_module
      package=k8s.io/kubernetes/cmd/$program
      [ "$program" = agnhost ] && package=k8s.io/kubernetes/test/images/agnhost
      [ "$program" = e2e.test ] && package=k8s.io/kubernetes/test/e2e
      # With what the package's tests import: e2e.test is one.
      go get -t "$package@v$kubernetes" 2>/dev/null
      at=k8s.io/component-base/version
      compile "$program" "$package" \
        -ldflags "-s -w -X $at.gitVersion=v$kubernetes -X $at.gitMajor=1 -X $at.gitMinor=${kubernetes:2:2}"
      ;;
  esac
done
