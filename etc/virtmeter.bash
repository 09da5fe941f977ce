# SPDX-License-Identifier: Apache-2.0
# Completion of virtmeter(1) for bash: commands, and the options that `COMMAND --help` prints.

_virtmeter()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local program=${COMP_WORDS[0]} command=${COMP_WORDS[1]-}

	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "agent collector poll list send samples statistics resources meters spool status reload
			check --help --version" -- "$cur")
		return
	fi
	case $prev in
	--format)
		mapfile -t COMPREPLY < <(compgen -W "table json csv" -- "$cur")
		return ;;
	--config-file | --log-file | --socket)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return ;;
	--config-dir)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return ;;
	--inspector)
		mapfile -t COMPREPLY < <(compgen -W "libvirt simulated" -- "$cur")
		return ;;
	esac
	case $cur in
	-*)
		mapfile -t COMPREPLY < <(compgen -W "$("$program" "$command" --help 2>/dev/null |
			grep -oE -- '--[a-z][a-z-]*' | sort -u)" -- "$cur")
		return ;;
	esac
	case $command in
	list)
		[ "$COMP_CWORD" -ne 2 ] ||
			mapfile -t COMPREPLY < <(compgen -W "instances meters plugins" -- "$cur") ;;
	spool)
		if [ "$COMP_CWORD" -eq 2 ]; then
			mapfile -t COMPREPLY < <(compgen -W "ls verify export drop" -- "$cur")
		else
			compopt -o filenames 2>/dev/null
			mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		fi ;;
	check)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	esac
}
complete -F _virtmeter virtmeter
