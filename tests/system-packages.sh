#!/usr/bin/env bash
# What the long tests need from the system beside Python: a browser, a database server, and `ip` for several nodes.
# Installs what is missing where that is possible (Debian's packages, as root); elsewhere says what is missing, and the
# tests that need it skip and say so. Never fails.
set -uo pipefail

declare -A package_of=([chromium]=chromium [psql]=postgresql [ip]=iproute2)

missing() {
  for program in "${!package_of[@]}"; do
    PATH="$PATH:/usr/sbin:/sbin" command -v "$program" > /dev/null || echo "${package_of[$program]}"
  done
}

mapfile -t wanted < <(missing)
[ ${#wanted[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -eq 0 ] && command -v apt-get > /dev/null; then
  echo "Installing for the long tests: ${wanted[*]} ..."
  export DEBIAN_FRONTEND=noninteractive
  { timeout 300 apt-get -qq update && timeout 600 apt-get -qq install --yes --no-install-recommends "${wanted[@]}"; } > /dev/null ||
    echo "apt-get could not install them."
  mapfile -t wanted < <(missing)
  [ ${#wanted[@]} -eq 0 ] && exit 0
fi
echo "Missing for the long tests: ${wanted[*]}. Tests that need them are skipped."
exit 0
