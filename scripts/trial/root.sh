# A Debian of its own to try things in; sourced by scripts/*-trial. As root.
suite=bookworm

need() {
  ((EUID == 0)) || { echo "Run it as root: it makes a root folder and enters it." >&2; exit 1; }
  local missing=() tool
  for tool in mmdebstrap unshare ip; do command -v "$tool" >/dev/null || missing+=("$tool"); done
  ((${#missing[@]} == 0)) || { echo "Missing: ${missing[*]} (apt install mmdebstrap util-linux iproute2)." >&2; exit 1; }
}

# make_root FOLDER [PACKAGES]: how this machine reaches its packages (PIP_*, certificates, proxies) holds inside, too.
make_root() {
  local root=$1 file
  mmdebstrap --quiet --variant=apt ${2:+--include="$2"} "$suite" "$root"
  cp /etc/resolv.conf "$root/etc/"
  for file in /etc/pip.conf "${PIP_CONFIG_FILE:-}"; do
    [[ ! -f $file ]] || install -D -m 644 "$file" "$root$file"
  done
  # Elsewhere than the packages of certificates write theirs.
  file=${SSL_CERT_FILE:-${PIP_CERT:-}}
  [[ ! -f $file ]] || install -m 644 "$file" "$root/etc/trusted.crt"
  install -m 755 scripts/trial/systemctl "$root/usr/local/sbin/systemctl"
  ln -sf systemctl "$root/usr/local/sbin/systemd-run"
  echo "127.0.0.1 localhost wa.example.org" >"$root/etc/hosts"
}

# inside ROOT online|offline COMMANDS: by bash, in mounts and processes of its own; what is left running ends with it.
inside() {
  local kept=(HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive)
  local name namespaces=(--mount --pid --fork --kill-child)
  while IFS= read -r name; do
    case $name in
      PIP_FIND_LINKS) ;;
      SSL_CERT_FILE | PIP_CERT) kept+=("$name=/etc/trusted.crt") ;;
      *) kept+=("$name=${!name}") ;;
    esac
  done < <(compgen -e | grep -E '^(PIP|UV|SSL)_|_(proxy|PROXY)$')
  [[ $2 != offline ]] || namespaces+=(--net)
  unshare "${namespaces[@]}" bash -ec '
    mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && mount -t tmpfs tmpfs "$1/tmp" && mount -t tmpfs tmpfs "$1/run"
    if [[ $2 == offline ]]; then
      ip link set lo up
      echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start  # systemd gives Caddy the right to open 443
    fi
    exec env -i "${@:4}" chroot "$1" bash -euo pipefail -c "$3"' - "$1" "$2" "$3" "${kept[@]}"
}

# bring_caddy ROOT: the program and its unit, as Caddy's own package has them, with a CA of its own.
bring_caddy() {
  install -m 755 .venv-tools/bin/caddy "$1/usr/bin/caddy"
  mkdir -p "$1/etc/caddy" "$1/etc/systemd/system/caddy.service.d"
  chroot "$1" useradd --system --create-home --home-dir /var/lib/caddy --shell /usr/sbin/nologin caddy
  cat >"$1/etc/systemd/system/caddy.service" <<END
[Service]
User=caddy
ExecStart=/usr/bin/caddy run --config /etc/caddy/Caddyfile
Environment=HOME=/var/lib/caddy
WorkingDirectory=/var/lib/caddy
TimeoutStopSec=5
END
  printf '[Service]\nEnvironment=HAILGATE_TLS=internal\n' >"$1/etc/systemd/system/caddy.service.d/trial.conf"
}
authority=/var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt

# commands_of PAGE SECTION…: the shell blocks of these sections, but those that say why they are not run.
commands_of() {
  local page=$1 section
  shift
  for section in "$@"; do
    sed -n "/^## $section\. /,/^## /p" "$page" | awk '
      /^<!-- not run: / { skipped = 1 }
      /^```sh/ { shown = !skipped; skipped = 0; next }
      /^```/ { shown = 0 }
      shown'
  done
}
