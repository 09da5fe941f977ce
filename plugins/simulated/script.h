/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes wrong in the simulated world, and when (option `script` of the group `simulated`).
 *
 *	script  = entry { ";" entry }
 *	entry   = [ times ] verb [ which ] [ length ]
 *	times   = time | [ time ] ".." [ time ]         one time alone: from then on
 *	time    = "+" length | "@" seconds              since the start, or of the Unix epoch
 *	length  = number [ "ms" | "s" | "m" | "h" | "d" ]
 *	which   = "*" | number [ "-" number ] { "," … } instances, counted from 0; none: all
 *
 *	gone        is not there: discovery does not list it, the inspector does not know it
 *	vanish      discovery lists it, the inspector does not know it
 *	stop        is shut off
 *	restart     starts anew at that moment: counters from zero, another epoch
 *	stuck       does not answer
 *	partial     memory and disk usage cannot be read
 *	unreachable its hypervisor does not answer
 *	shuffle     its disks and NICs come in the reverse order
 *	blind       discovery fails
 *	down        the inspector fails as a whole
 *	slow LENGTH the inspector takes so long for an answer
 *
 * Example: "+10m..+20m stuck 3; +1h restart 0-4; ..+30m gone 7; +2h..+3h slow 15s"
 */
#ifndef PLUGINS_SIMULATED_SCRIPT_H
#define PLUGINS_SIMULATED_SCRIPT_H

#include <stddef.h>
#include <stdint.h>
#include <virtmeter/plugin.h>

enum script_verb {
	SCRIPT_GONE,
	SCRIPT_VANISH,
	SCRIPT_STOP,
	SCRIPT_RESTART,
	SCRIPT_STUCK,
	SCRIPT_PARTIAL,
	SCRIPT_UNREACHABLE,
	SCRIPT_SHUFFLE,
	SCRIPT_BLIND,
	SCRIPT_DOWN,
	SCRIPT_SLOW,
	SCRIPT_VERBS
};

#define SCRIPT_BIT(verb) (1U << (verb))

struct script_rule {
	int64_t from_ns, to_ns; /* Unix time; from <= t < to */
	enum script_verb verb;
	uint32_t first, last; /* instances */
	int64_t length_ns; /* of slow */
};

struct script {
	struct script_rule *rule;
	size_t count;
};

/* `text` NULL: no rules.  `start_ns`: what "+" counts from.  0, or -EINVAL with the reason. */
int script_parse(const char *text, int64_t start_ns, struct script *ret, struct vmt_error *error);
void script_fini(struct script *script);

/* Bits of the verbs that hold for the instance now. */
unsigned script_state(const struct script *script, uint32_t instance, int64_t now_ns);
/* Its last restart by now; INT64_MIN: none. */
int64_t script_restart(const struct script *script, uint32_t instance, int64_t now_ns);
/* The first moment after now at which a rule of one of these verbs begins or ends; INT64_MAX: none. */
int64_t script_next(const struct script *script, unsigned verbs, int64_t now_ns);
/* How slow the inspector is now, 0: not. */
int64_t script_slow(const struct script *script, int64_t now_ns);

#endif
