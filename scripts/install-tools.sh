#!/usr/bin/env bash
# Installs by apt the programs that some tests and judges drive: promtool, Alertmanager, HAProxy, Chromium.
# None of their services is started, now or at the next boot; what is there already is left as it is. Needs root.
set -euo pipefail

# program:package; Debian keeps some outside the PATH of a plain user.
wanted=(
  promtool:prometheus
  prometheus-alertmanager:prometheus-alertmanager
  amtool:prometheus-alertmanager
  haproxy:haproxy
  chromium:chromium
)
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
policy=/usr/sbin/policy-rc.d

say() { echo "==> $*"; }
fail() { printf '%s\n' "$@" >&2; exit 1; }

packages=()
for entry in "${wanted[@]}"; do
  if ! command -v "${entry%%:*}" >/dev/null && [[ " ${packages[*]} " != *" ${entry#*:} "* ]]; then
    packages+=("${entry#*:}")
  fi
done
if [ ${#packages[@]} -eq 0 ]; then
  say "promtool, Alertmanager, HAProxy and Chromium are there already"
  exit 0
fi

command -v apt-get >/dev/null || fail "make tools knows apt only. Install by hand: ${packages[*]}"
[ "$(id -u)" -eq 0 ] || fail "make tools installs ${packages[*]} by apt, which needs root: sudo make tools" \
  "Without them the lab works; rows and tests that need one say so."

# invoke-rc.d asks this file before it starts a service; 101 means no. One that was there is put back at the end,
# also after a call that was killed.
saved=$policy.before-make-tools
restore() {
  rm -f $policy
  [ ! -e $saved ] || mv $saved $policy
}
trap restore EXIT
trap 'exit 130' INT TERM
if [ -e $policy ] && [ ! -e $saved ]; then
  mv $policy $saved
fi
printf '#!/bin/sh\nexit 101\n' >$policy
chmod 755 $policy

say "installing ${packages[*]} by apt, service starts denied"
export DEBIAN_FRONTEND=noninteractive
apt-get -o Acquire::Retries=3 -qq update </dev/null
apt-get -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 -qq install --yes --no-install-recommends "${packages[@]}" </dev/null

# The packages enable their services for the next boot; only what this call brought is disabled again.
if command -v systemctl >/dev/null; then
  for package in "${packages[@]}"; do
    for unit in $(dpkg -L "$package" | sed -n 's|^\(/usr\)\?/lib/systemd/system/\([^/@]*\.service\)$|\2|p'); do
      systemctl --quiet disable "$unit" >/dev/null 2>&1 || say "could not disable $unit: it may start at the next boot"
    done
  done
fi
say "done: ${packages[*]}"
