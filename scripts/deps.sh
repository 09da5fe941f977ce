#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Sees to it that what the build and the tests need is there.
#
# Usage: scripts/deps.sh build    what `make run` and `make install` need
#        scripts/deps.sh test     that and what `make check` and `make test` need
#        scripts/deps.sh list SYSTEM [build|test]   package names: debian fedora arch suse alpine
#
# Looks first (quick, changes nothing).  On Debian and its kin what is missing is then installed with
# apt-get, by root or through `sudo -n`; a user without those rights, and everybody on other systems,
# gets the line to type, and exit status 1.  No service is started: while apt-get works, a
# policy-rc.d says no, unless the host has one of its own.
set -u
PATH=$PATH:/usr/sbin:/sbin
export PATH

# One row a need: scope, how it is recognised, then the package by system; '-' where there is none or
# where another row brings it, '+' joins two names.
#   cmd:NAME   a program       pc:NAME   a pkg-config module       file:GLOB  a file
# pc and file rows may name several, any of which will do, joined with '+'.
needs() {
	cat <<'END'
# scope recognised             debian                     fedora                      arch             suse                         alpine
build   cmd:cc                 gcc+libc6-dev              gcc                         gcc              gcc                          gcc+musl-dev
build   cmd:meson              meson                      meson                       meson            meson                        meson
build   cmd:ninja              ninja-build                ninja-build                 ninja            ninja                        ninja
build   cmd:pkg-config         pkg-config                 pkgconf-pkg-config          pkgconf          pkgconf-pkg-config           pkgconf
build   pc:glib-2.0            libglib2.0-dev             glib2-devel                 glib2-devel      glib2-devel                  glib-dev
build   pc:libvirt             libvirt-dev                libvirt-devel               libvirt          libvirt-devel                libvirt-dev
build   pc:libxml-2.0          libxml2-dev                libxml2-devel               libxml2          libxml2-devel                libxml2-dev
build   pc:yaml-0.1            libyaml-dev                libyaml-devel               libyaml          libyaml-devel                yaml-dev
build   pc:sqlite3             libsqlite3-dev             sqlite-devel                sqlite           sqlite3-devel                sqlite-dev
build   pc:libcrypto           libssl-dev                 openssl-devel               openssl          libopenssl-devel             openssl-dev
build   pc:msgpack+pc:msgpack-c  libmsgpack-dev           msgpack-devel               msgpack-c        msgpack-c-devel              msgpack-c-dev
build   pc:libcurl             libcurl4-openssl-dev       libcurl-devel               curl             libcurl-devel                curl-dev
build   pc:krb5-gssapi         libkrb5-dev                krb5-devel                  krb5             krb5-devel                   krb5-dev
build   pc:libpq               libpq-dev                  libpq-devel                 postgresql-libs  postgresql-devel             libpq-dev
build   pc:librabbitmq         librabbitmq-dev            librabbitmq-devel           librabbitmq-c    librabbitmq-devel            rabbitmq-c-dev
build   pc:hiredis             libhiredis-dev             hiredis-devel               hiredis          hiredis-devel                hiredis-dev
build   pc:libssl              libssl-dev                 openssl-devel               openssl          libopenssl-devel             openssl-dev
test    cmd:bash               bash                       bash                        bash             bash                         bash
test    cmd:python3            python3                    python3                     python           python3                      python3
test    cmd:clang              clang                      clang                       clang            clang                        clang
test    file:/usr/lib*/*/*/clang/*/lib/*/libclang_rt.fuzzer*  libclang-rt-dev  compiler-rt  compiler-rt  clang  compiler-rt
test    cmd:clang-format       clang-format               clang-tools-extra           -                -                            clang-extra-tools
test    cmd:clang-tidy         clang-tidy                 clang-tools-extra           -                clang-tools                  clang-extra-tools
test    cmd:cppcheck           cppcheck                   cppcheck                    cppcheck         cppcheck                     cppcheck
test    cmd:mandoc             mandoc                     mandoc                      mandoc           mandoc                       mandoc
test    file:/usr/lib/postgresql/*/bin/initdb+/usr/bin/initdb  postgresql  postgresql-server  postgresql  postgresql-server  postgresql
test    cmd:sqlite3            sqlite3                    sqlite                      -                sqlite3                      sqlite
test    cmd:libvirtd           libvirt-daemon             libvirt-daemon              -                libvirt-daemon               libvirt-daemon
test    file:/usr/lib*/libvirt/connection-driver/libvirt_driver_qemu.so+/usr/lib*/*/libvirt/connection-driver/libvirt_driver_qemu.so  libvirt-daemon-driver-qemu  libvirt-daemon-driver-qemu  -  libvirt-daemon-driver-qemu  libvirt-qemu
test    cmd:virsh              libvirt-clients            libvirt-client              -                libvirt-client               libvirt-client
test    cmd:qemu-system-x86_64 qemu-system-x86            qemu-system-x86             qemu-system-x86  qemu-x86                     qemu-system-x86_64
test    file:/usr/lib/ipxe/qemu/efi-virtio.rom+/usr/share/ipxe/qemu/efi-virtio.rom+/usr/share/qemu/efi-virtio.rom  ipxe-qemu  ipxe-roms-qemu  -  qemu-ipxe  -
test    cmd:qemu-img           qemu-utils                 qemu-img                    qemu-img         qemu-tools                   qemu-img
test    cmd:nasm               nasm                       nasm                        nasm             nasm                         nasm
test    cmd:ip                 iproute2                   iproute                     iproute2         iproute2                     iproute2
test    cmd:iptables           iptables                   iptables-nft                iptables         iptables                     iptables
test    cmd:ebtables           ebtables                   iptables-nft                -                ebtables                     ebtables
test    file:/usr/lib/python3/dist-packages/libvirt.py+/usr/lib/python3*/site-packages/libvirt.py+/usr/lib64/python3*/site-packages/libvirt.py  python3-libvirt  python3-libvirt  libvirt-python  python3-libvirt-python  py3-libvirt
test    file:/usr/lib/python3/dist-packages/fusepy.py+/usr/lib/python3*/site-packages/fusepy.py  python3-fusepy  python3-fusepy  -  python3-fusepy  -
test    cmd:fusermount3        fuse3                      fuse3                       fuse3            fuse3                        fuse3
test    cmd:collectd           collectd-core              collectd                    collectd         collectd                     collectd
test    cmd:prometheus-libvirt-exporter  prometheus-libvirt-exporter  -  -  -  -
test    file:/usr/lib/python3/dist-packages/ceilometer/publisher/utils.py  python3-ceilometer  -  -  -  -
test    file:/usr/lib/python3/dist-packages/msgpack/__init__.py+/usr/lib*/python3*/site-packages/msgpack/__init__.py  python3-msgpack  python3-msgpack  python-msgpack  python3-msgpack  py3-msgpack
test    cmd:redis-server       redis-server               redis                       redis            redis                        redis
test    cmd:memcached          memcached                  memcached                   memcached        memcached                    memcached
test    cmd:openssl            openssl                    openssl                     openssl          openssl                      openssl
test    file:/usr/lib*/rabbitmq/bin/rabbitmq-server  rabbitmq-server  rabbitmq-server  rabbitmq  rabbitmq-server  rabbitmq-server
test    file:/usr/lib/python3/dist-packages/amqp+/usr/lib/python3*/site-packages/amqp  python3-amqp  python3-amqp  python-amqp  python3-amqp  py3-amqp
test    file:/usr/lib/python3/dist-packages/oslo_config+/usr/lib/python3*/site-packages/oslo_config  python3-oslo.config  python3-oslo-config  -  python3-oslo.config  -
test    file:/usr/lib/python3/dist-packages/oslo_messaging+/usr/lib/python3*/site-packages/oslo_messaging  python3-oslo.messaging  python3-oslo-messaging  -  python3-oslo.messaging  -
test    cmd:ceilometer-agent-notification  ceilometer-agent-notification  -  -  -  -
test    file:/usr/lib/python3/dist-packages/keystone/__init__.py  python3-keystone  -  -  -  -
test    file:/usr/lib/python3/dist-packages/nova/__init__.py  python3-nova  -  -  -  -
test    cmd:krb5kdc            krb5-kdc                   krb5-server                 krb5             krb5-server                  krb5-server
test    cmd:kadmin.local       krb5-admin-server          krb5-server                 krb5             krb5-server                  krb5
test    cmd:kinit              krb5-user                  krb5-workstation            krb5             krb5-client                  krb5
test    file:/usr/lib/*/gssntlmssp/gssntlmssp.so+/usr/lib64/gssntlmssp/gssntlmssp.so  gss-ntlmssp  gssntlmssp  -  gssntlmssp  -
test    file:/usr/lib/python3/dist-packages/gssapi+/usr/lib*/python3*/site-packages/gssapi  python3-gssapi  python3-gssapi  python-gssapi  python3-gssapi  py3-gssapi
test    file:/usr/lib/python3/dist-packages/winrm+/usr/lib/python3*/site-packages/winrm  python3-winrm  python3-winrm  -  -  -
test    cmd:go                 golang-go                  golang                      go               go                           go
test    file:/usr/share/gocode/src/github.com/vmware/govmomi/simulator  golang-github-vmware-govmomi-dev  -  -  -  -
test    file:/usr/share/gocode/src/github.com/google/uuid  golang-github-google-uuid-dev  -  -  -  -
test    file:/usr/lib/python3/dist-packages/oslo_vmware  python3-oslo.vmware  -  -  -  -
test    cmd:xmllint            libxml2-utils              libxml2                     libxml2          libxml2-tools                libxml2-utils
test    cmd:newuidmap          uidmap                     shadow-utils                shadow           shadow                       shadow-uidmap
test    cmd:unshare            util-linux                 util-linux                  util-linux       util-linux                   util-linux-misc
test    cmd:ps                 procps                     procps-ng                   procps-ng        procps                       procps
END
}

# wanted SCOPE: the rows of a scope; `test` includes `build`.
wanted() {
	needs | awk -v scope="$1" '$1 == "build" || $1 == scope'
}

there() {
	case $1 in
	cmd:*) command -v "${1#cmd:}" >/dev/null 2>&1 ;;
	pc:*)
		for name in $(echo "$1" | tr + ' '); do
			pkg-config --exists "${name#pc:}" 2>/dev/null && return 0
		done
		return 1
		;;
	file:*)
		for pattern in $(echo "${1#file:}" | tr + ' '); do
			for file in $pattern; do
				[ -e "$file" ] && return 0
			done
		done
		return 1
		;;
	esac
}

# packages SCOPE SYSTEM MODE: names, in a line; MODE `missing` leaves out what is there.
packages() {
	case $2 in
	debian) column=3 ;; fedora) column=4 ;; arch) column=5 ;; suse) column=6 ;; alpine) column=7 ;;
	*)
		echo "deps: unknown system $2; one of debian fedora arch suse alpine" >&2
		return 2
		;;
	esac
	wanted "$1" | awk -v c="$column" '{ print $2, $c }' | while read -r need names; do
		if [ "$3" = all ] || ! there "$need"; then
			echo "$names"
		fi
	done | tr '+' '\n' | awk '$1 != "-" && !seen[$1]++' | tr '\n' ' ' | sed 's/ $//'
}

# unmet SCOPE: what is not recognised, by its need.
unmet() {
	wanted "$1" | awk '{ print $2 }' | while read -r need; do
		there "$need" || echo "$need"
	done
}

others() {
	echo "  Fedora, RHEL:  dnf install $(packages "$1" fedora all)"
	echo "  Arch:          pacman -S $(packages "$1" arch all)"
	echo "  openSUSE:      zypper install $(packages "$1" suse all)"
	echo "  Alpine:        apk add $(packages "$1" alpine all)"
}

apt_install() { # apt_install RUN NAMES: RUN is '' or 'sudo -n'
	run=$1
	policy=/usr/sbin/policy-rc.d
	made=
	log=$(mktemp) || return 1
	trap 'rm -f "$log"; [ -z "$made" ] || $run rm -f $policy' EXIT
	trap 'exit 1' HUP INT TERM
	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' | $run tee $policy >/dev/null && made=1 && $run chmod 755 $policy
	fi
	echo "deps: installing $2"
	options="-q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0"
	$run env DEBIAN_FRONTEND=noninteractive apt-get $options update >/dev/null ||
		echo "deps: apt-get update failed; going on with the lists as they are" >&2
	$run env DEBIAN_FRONTEND=noninteractive apt-get $options install --no-install-recommends $2 \
		</dev/null >"$log" 2>&1 || {
		tail -n 20 "$log" >&2
		echo "deps: apt-get install failed (above); the line was: apt-get install $2" >&2
		return 1
	}
}

scope=${1:-build}
case $scope in
list)
	packages "${3:-test}" "${2:-debian}" all || exit 2
	echo
	exit 0
	;;
build | test) ;;
*)
	echo "usage: deps.sh build|test | list SYSTEM [build|test]" >&2
	exit 2
	;;
esac

[ -n "$(unmet "$scope")" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
	echo "deps: missing: $(unmet "$scope" | tr '\n' ' ')" >&2
	echo "deps: install, with your system's own package manager:" >&2
	others "$scope" >&2
	exit 1
fi
missing=$(packages "$scope" debian missing)
if [ "$(id -u)" = 0 ]; then
	apt_install '' "$missing" || exit 1
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
	apt_install 'sudo -n' "$missing" || exit 1
else
	echo "deps: missing; as root, type:" >&2
	echo "  apt-get install --no-install-recommends $missing" >&2
	exit 1
fi
left=$(unmet "$scope" | tr '\n' ' ')
if [ -n "$left" ]; then
	echo "deps: still missing after the installation: $left" >&2
	exit 1
fi
