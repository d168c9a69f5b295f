#!/bin/sh
# Makes a checkout ready to build, run and test: system packages, npm packages, BPF objects,
# the page of flame graphs.
# Installs only what is missing; when nothing is missing it does nothing and says so.
#
#     scripts/setup.sh [--tests]    with what only tests need: a browser of 400 MB
set -eu

cd "$(dirname "$0")/.."
os_release=${OBSFORGE_OS_RELEASE:-/etc/os-release}
did_something=no

say() {
  echo "setup: $1"
}

fail() {
  echo "setup: $1" >&2
  exit 1
}

# What is needed and the packages that bring it, by family of distributions.
# what | Debian, Ubuntu | Fedora, RHEL | Arch | openSUSE
needs='
clang            clang        clang         clang          clang
llvm-strip       llvm         llvm          llvm           llvm
bpftool          bpftool      bpftool       bpf            bpftool
ld.lld           lld          lld           lld            lld
readelf          binutils     binutils      binutils       binutils
gcc              gcc          gcc           gcc            gcc
g++              g++          gcc-c++       gcc            gcc-c++
bpf/bpf.h        libbpf-dev   libbpf-devel  libbpf         libbpf-devel
linux/bpf.h      libc6-dev    kernel-headers linux-api-headers linux-glibc-devel
libc.a           libc6-dev    glibc-static  glibc          glibc-devel-static
musl-gcc         musl-tools   musl-gcc      musl           musl-gcc
/usr/bin/python3 python3      python3       python         python3
libbpf.so.1      libbpf1      libbpf        libbpf         libbpf1
'

# What only the tests need: of the page, and of packed debug information.
[ "${1:-}" != --tests ] || needs="$needs
chromium         chromium     chromium      chromium       chromium
dwz              dwz          dwz           dwz            dwz
xz               xz-utils     xz            xz             xz
"

# is_there WHAT: a program on the path, a header or a library.
is_there() {
  case $1 in
    *.h) [ -e "/usr/include/$1" ] ;;
    *.so.* | *.a)
      for folder in /lib /usr/lib /lib64 /usr/lib64 /lib/*-linux-gnu /usr/lib/*-linux-gnu; do
        [ ! -e "$folder/$1" ] || return 0
      done
      return 1
      ;;
    *) command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] ;;
  esac
}

# missing_packages COLUMN: the packages for everything that is not there, on one line.
missing_packages() {
  echo "$needs" | while read -r what debian fedora arch suse; do
    [ -n "$what" ] || continue
    is_there "$what" && continue
    case $1 in
      debian) echo "$debian" ;;
      fedora) echo "$fedora" ;;
      arch) echo "$arch" ;;
      suse) echo "$suse" ;;
      *) echo "$what" ;;
    esac
  done | sort -u | tr '\n' ' '
}

family() {
  [ -r "$os_release" ] || return 0
  ids=$(. "$os_release" && echo "${ID:-} ${ID_LIKE:-}")
  case " $ids " in
    *" debian "*) echo debian ;;
    *" fedora "*) echo fedora ;;
    *" arch "*) echo arch ;;
    *" suse "* | *" opensuse "*) echo suse ;;
  esac
}

install_system_packages() {
  family=$(family)
  packages=$(missing_packages "$family")
  packages=${packages% }
  [ -n "$packages" ] || return 0
  case $family in
    debian) command="apt-get install -y --no-install-recommends $packages" ;;
    fedora) command="dnf install $packages" ;;
    arch) command="pacman -S $packages" ;;
    suse) command="zypper install $packages" ;;
    *) fail "this distribution is not known here. Install what brings these, then run again: $packages" ;;
  esac
  [ "$family" = debian ] || fail "these packages are needed; run as root, then run again: $command"
  [ "$(id -u)" = 0 ] || fail "system packages are missing, and installing them needs root: sudo $command"
  say "installing system packages: $packages"
  apt-get update -q >/dev/null
  # shellcheck disable=SC2086 # the packages are words
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $packages >/dev/null
  did_something=yes
}

# The npm packages are as the lock file says when the stamp holds its hash.
install_npm_packages() {
  stamp=node_modules/.setup-stamp
  locked=$(sha256sum package-lock.json .npmrc)
  [ "$(cat "$stamp" 2>/dev/null)" != "$locked" ] || return 0
  command -v npm >/dev/null || fail "npm is not installed. Install any Node from 18 on with npm."
  # A user without a home of his own still needs a place for npm's cache.
  if [ ! -w "${HOME:-/nonexistent}" ]; then
    export npm_config_cache="$PWD/build/npm-cache"
  fi
  say "installing npm packages by package-lock.json, without their install scripts"
  npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
  echo "$locked" >"$stamp"
  did_something=yes
}

compile_bpf() {
  make -C bpf --question --silent 2>/dev/null && return 0
  say "compiling the BPF programs"
  make -C bpf --silent --no-print-directory
  did_something=yes
}

# The page is as its sources say when nothing that goes into it is younger than the stamp.
build_page() {
  stamp=build/.web-stamp
  if [ -f "$stamp" ] && [ -d build/web ]; then
    younger=$(find web src/profiles src/support package-lock.json -newer "$stamp" -print -quit)
    [ -n "$younger" ] || return 0
  fi
  say "building the page of flame graphs"
  for node in node_modules/node-linux-*/bin/node; do
    [ ! -x "$node" ] || break
  done
  "$node" web/build.ts
  touch "$stamp"
  did_something=yes
}

# The first start of a checkout strips the sources of their types, which takes 25 MB more than any
# later one. It is made here, so that no agent pays for it. Where it cannot run, nothing is lost.
keep_compiled_code() {
  [ "$(id -u)" = 0 ] && [ ! -d build/compile-cache ] || return 0
  say "starting once, to keep what is compiled"
  timeout --foreground -s INT 4 bin/obsforge run --config config/agent.yaml \
    --set service.telemetry.metrics.level=none \
    --set exporters.pprof.directory=build/first-start >/dev/null 2>&1 || true
  rm -rf build/first-start
}

say_what_needs_root() {
  [ "$(id -u)" != 0 ] || return 0
  say "profiling with eBPF needs root (sudo bin/obsforge record …); tests that need root are skipped."
}

install_system_packages
install_npm_packages
compile_bpf
build_page
keep_compiled_code
if [ "$did_something" = no ]; then
  say "everything is in place."
else
  say "ready. Try: bin/obsforge --help"
fi
say_what_needs_root
