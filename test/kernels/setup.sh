#!/bin/sh
# Brings what one kernel needs into build/kernels: its image, the guest's user space, headers and
# objects that a program for the guest is built with, npm packages. What is there is kept.
#
#   setup.sh SUITE ARCH        as: setup.sh trixie arm64
#
# The packages are Debian's, from the mirror that this machine's apt knows (or DEBIAN_MIRROR),
# through lists of their own: the machine's sources stay as they are.
set -eu

cd "$(dirname "$0")/../.."
suite=$1
arch=$2
# One user space for all kernels: the oldest that obsforge supports.
user_suite=bookworm
home=$PWD/build/kernels
kernel=$home/$suite-$arch
root=$home/root-$arch

fail() {
  echo "kernels: $1" >&2
  exit 1
}

# The host's programs, each with the package that brings it.
install_programs() {
  missing=
  for need in qemu-system-x86_64:qemu-system-x86 qemu-system-aarch64:qemu-system-arm cpio:cpio; do
    command -v "${need%%:*}" >/dev/null || missing="$missing ${need##*:}"
  done
  [ -n "$missing" ] || return 0
  command -v apt-get >/dev/null || fail "these programs are needed:$missing"
  [ "$(id -u)" = 0 ] || fail "run as root, then again: apt-get install$missing"
  echo "kernels: installing$missing"
  apt-get update -q >/dev/null
  # shellcheck disable=SC2086 # the packages are words
  DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends $missing >/dev/null
}

# The place of Debian's main archive, as the machine's own sources have it.
mirror() {
  sites() {
    apt-get indextargets --format "\$(SITE) \$(ORIGIN) \$(RELEASE)" 'Created-By: Packages'
  }
  [ -n "$(sites)" ] || apt-get update -q >/dev/null
  sites | sed -n '/-security$/!s/ Debian .*//p' | head -n 1
}

# own_apt PROGRAM SUITE ARG…: apt with nothing of the machine's but how it reaches the mirror.
own_apt() {
  program=$1
  apt=$home/apt/$2-$arch
  shift 2
  "$program" -q -o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o "Dir::State::Lists=$apt/lists" -o "Dir::State::Status=$apt/status" \
    -o "Dir::Cache=$apt/cache" -o "APT::Architecture=$arch" -o "APT::Architectures=$arch" \
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
    -o Acquire::Languages=none -o APT::Sandbox::User=root "$@"
}

# Reads what a suite has, once in a run of this script.
update() {
  [ ! -e "$home/apt/$1-$arch/fresh" ] || return 0
  DEBIAN_MIRROR=${DEBIAN_MIRROR:-$(mirror)}
  [ -n "$DEBIAN_MIRROR" ] || fail "apt knows no Debian mirror here; name one in DEBIAN_MIRROR"
  keys=/usr/share/keyrings/debian-archive-keyring.gpg
  [ -e "$keys" ] || fail "$keys is missing: apt-get install debian-archive-keyring"
  mkdir -p "$home/apt/$1-$arch/lists/partial" "$home/apt/$1-$arch/cache/archives/partial"
  : >"$home/apt/$1-$arch/status"
  echo "deb [signed-by=$keys] $DEBIAN_MIRROR $1 main" >"$home/apt/$1-$arch/sources.list"
  own_apt apt-get "$1" update >/dev/null
  : >"$home/apt/$1-$arch/fresh"
}

# unpack SUITE FOLDER PACKAGE…: their files, without installing anything.
unpack() {
  from=$1 into=$2
  shift 2
  rm -rf "$home/debs"
  mkdir -p "$home/debs" "$into"
  (cd "$home/debs" && own_apt apt-get "$from" download "$@" >/dev/null)
  for deb in "$home"/debs/*.deb; do dpkg-deb --extract "$deb" "$into"; done
  rm -rf "$home/debs"
}

# The kernel that the suite's linux-image-ARCH stands for.
fetch_kernel() {
  [ ! -e "$kernel/vmlinuz" ] || return 0
  update "$suite"
  package=$(own_apt apt-cache "$suite" depends --important "linux-image-$arch" |
    sed -n 's/.*Depends: \(linux-image-.*\)/\1/p' | head -n 1)
  [ -n "$package" ] || fail "$suite has no kernel for $arch"
  echo "kernels: fetching $package"
  unpack "$suite" "$kernel.partial" "$package"
  mkdir -p "$kernel"
  mv "$kernel".partial/boot/config-* "$kernel/config"
  mv "$kernel".partial/boot/vmlinuz-* "$kernel/vmlinuz"
  rm -rf "$kernel.partial"
}

# What runs in the guest, and what the headers and objects of programs for it are.
fetch_root() {
  [ ! -e "$root" ] || return 0
  update "$user_suite"
  echo "kernels: fetching the user space for $arch"
  rm -rf "$root.partial"
  unpack "$user_suite" "$root.partial" busybox-static dash libc6 libgcc-s1 libstdc++6 libatomic1 \
    libbpf1 libelf1 zlib1g libc6-dev libgcc-12-dev linux-libc-dev
  mv "$root.partial" "$root"
}

# The npm packages by package-lock.json, for the guest's architecture.
fetch_modules() {
  locked=$(sha256sum package-lock.json)
  modules=$home/modules-$arch
  [ "$(cat "$modules/locked" 2>/dev/null)" != "$locked" ] || return 0
  case $arch in amd64) cpu=x64 ;; *) cpu=$arch ;; esac
  echo "kernels: fetching the npm packages for $arch"
  rm -rf "$modules"
  mkdir -p "$modules/obsforge"
  cp package.json package-lock.json .npmrc "$modules/obsforge"
  (cd "$modules/obsforge" && npm ci --ignore-scripts --omit=dev --os=linux --cpu="$cpu" \
    --libc=glibc --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null)
  echo "$locked" >"$modules/locked"
}

# The part of the guest's root file system that only a new lock file changes.
pack_base() {
  base=$home/base-$arch.cpio
  [ ! "$base" -nt "$modules/locked" ] || return 0
  rm -f "$base"
  {
    pack "$root" . -path ./usr/share -prune -o -path ./usr/include -prune -o \
      -path ./usr/lib/gcc -prune -o -name gconv -prune -o ! -name '*.a' -print
    pack "$modules" obsforge -name '*typescript*' -prune -o ! -name '*.map' -print
  } >"$base.partial"
  mv "$base.partial" "$base"
}

# pack FOLDER START FIND-EXPRESSION…: an archive as the kernel unpacks it; several follow on.
pack() (
  cd "$1"
  shift
  find "$@" | LC_ALL=C sort | cpio --create --format=newc --owner=0:0 --quiet
)

install_programs
rm -f "$home"/apt/*/fresh
fetch_kernel
fetch_root
fetch_modules
pack_base
