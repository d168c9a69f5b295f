#!/bin/sh
# Packs the guest's root file system: what setup.sh brought, obsforge as it is installed, the checks
# with the sources that they import, and the programs that they profile. The guest gets nothing
# else of the host.
#
#   image.sh ARCH OUTPUT
set -eu

cd "$(dirname "$0")/../.."
arch=$1
output=$2
home=build/kernels
root=$home/root-$arch
guest=$home/guest-$arch
case $arch in
  amd64) machine=x86_64 bpf=x86_64 no_fp= ;;
  arm64) machine=aarch64 bpf=arm64 no_fp=-momit-leaf-frame-pointer ;;
esac

compile() {
  program=$1
  shift
  clang --target="$machine-linux-gnu" --sysroot="$root" -fuse-ld=lld -O2 -pthread \
    -fno-optimize-sibling-calls "$@" -o "$guest/programs/$program" test/kernels/guest/calls.c
}

rm -rf "$guest"
mkdir -p "$guest/programs" "$guest/obsforge/build/bpf" "$guest/checks/test/kernels"
compile calls -fno-omit-frame-pointer -mno-omit-leaf-frame-pointer
# shellcheck disable=SC2086 # no word or one
compile calls_without_fp -fomit-frame-pointer $no_fp
cp test/kernels/guest/init "$guest"
node_modules/.bin/tsc -p tsconfig.dist.json --outDir "$guest/obsforge/dist"
cp -r bin package.json "$guest/obsforge"
cp -r "build/bpf/$bpf" "$guest/obsforge/build/bpf"
cp -r src package.json "$guest/checks"
cp -r test/support "$guest/checks/test"
cp -r test/kernels/guest "$guest/checks/test/kernels"
for name in bin build node_modules; do ln -s "../obsforge/$name" "$guest/checks/$name"; done
{
  cat "$home/base-$arch.cpio"
  cd "$guest"
  find . | LC_ALL=C sort | cpio --create --format=newc --owner=0:0 --quiet
} >"$output"
