/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the reading of the script and the question what holds now.  Any thread once parsed; blocks on
 * nothing.
 */
#include "plugins/simulated/script.h"

#include <errno.h>
#include <glib.h>
#include <stdbool.h>
#include <string.h>

#define SECOND INT64_C(1000000000)
enum { RULES_MAX = 10000 };

static const char *const verbs[SCRIPT_VERBS] = {
	[SCRIPT_GONE] = "gone",
	[SCRIPT_VANISH] = "vanish",
	[SCRIPT_STOP] = "stop",
	[SCRIPT_RESTART] = "restart",
	[SCRIPT_STUCK] = "stuck",
	[SCRIPT_PARTIAL] = "partial",
	[SCRIPT_UNREACHABLE] = "unreachable",
	[SCRIPT_SHUFFLE] = "shuffle",
	[SCRIPT_BLIND] = "blind",
	[SCRIPT_DOWN] = "down",
	[SCRIPT_SLOW] = "slow",
};

static const struct {
	const char *name;
	double ns;
} units[] = {
	{ "ms", 1e6 }, { "s", 1e9 }, { "m", 60e9 }, { "h", 3600e9 }, { "d", 86400e9 }, { "", 1e9 },
};

/* One number with its unit at *at; moves on behind it. */
static bool take_length(const char **at, int64_t *ret_ns)
{
	char *end;
	double v = g_ascii_strtod(*at, &end);

	if (end == *at || !g_ascii_isdigit(**at) || !(v < 1e9)) {
		return false;
	}
	if (end[-1] == '.') {
		end--; /* the first of ".." */
	}
	for (size_t i = 0; i < G_N_ELEMENTS(units); i++) {
		size_t n = strlen(units[i].name);

		if (strncmp(end, units[i].name, n) == 0) {
			if (v * units[i].ns > 4e18) {
				return false;
			}
			*ret_ns = (int64_t)(v * units[i].ns + 0.5);
			*at = end + n;
			return true;
		}
	}
	return false;
}

static bool take_time(const char **at, int64_t start_ns, int64_t *ret_ns)
{
	const char *p = *at + 1;
	char *end;

	if (**at == '+' && take_length(&p, ret_ns)) {
		*ret_ns += start_ns;
		*at = p;
		return true;
	}
	if (**at == '@' && g_ascii_isdigit(*p)) {
		int64_t seconds = g_ascii_strtoll(p, &end, 10);

		*ret_ns = MIN(seconds, INT64_MAX / SECOND - 1) * SECOND;
		*at = end;
		return true;
	}
	return false;
}

static void skip_space(const char **at)
{
	while (g_ascii_isspace(**at)) {
		(*at)++;
	}
}

static bool take_times(const char **at, int64_t start_ns, struct script_rule *rule)
{
	bool range;

	rule->from_ns = INT64_MIN;
	rule->to_ns = INT64_MAX;
	if ((**at == '+' || **at == '@') && !take_time(at, start_ns, &rule->from_ns)) {
		return false;
	}
	range = strncmp(*at, "..", 2) == 0;
	if (range) {
		*at += 2;
	}
	if (range && (**at == '+' || **at == '@') && !take_time(at, start_ns, &rule->to_ns)) {
		return false;
	}
	return rule->from_ns < rule->to_ns;
}

static bool take_verb(const char **at, enum script_verb *ret)
{
	size_t n = 0;

	while (g_ascii_isalpha((*at)[n])) {
		n++;
	}
	for (int i = 0; i < SCRIPT_VERBS; i++) {
		if (strlen(verbs[i]) == n && strncmp(*at, verbs[i], n) == 0) {
			*ret = (enum script_verb)i;
			*at += n;
			return true;
		}
	}
	return false;
}

static bool take_index(const char **at, uint32_t *ret)
{
	uint64_t v;
	char *end;

	if (!g_ascii_isdigit(**at)) {
		return false;
	}
	v = g_ascii_strtoull(*at, &end, 10);
	if (v > UINT32_MAX) {
		return false;
	}
	*ret = (uint32_t)v;
	*at = end;
	return true;
}

/* One item of a list of instances: "3" or "3-5". */
static bool take_range(const char **at, struct script_rule *rule)
{
	if (!take_index(at, &rule->first)) {
		return false;
	}
	rule->last = rule->first;
	if (**at == '-') {
		(*at)++;
		return take_index(at, &rule->last) && rule->last >= rule->first;
	}
	return true;
}

static bool take_instances(const char **at, struct script_rule rule, GArray *out)
{
	rule.first = 0;
	rule.last = UINT32_MAX;
	if (**at == '*') {
		(*at)++;
		g_array_append_val(out, rule);
		return true;
	}
	if (!g_ascii_isdigit(**at)) {
		g_array_append_val(out, rule);
		return true;
	}
	for (;;) {
		if (!take_range(at, &rule) || out->len >= RULES_MAX) {
			return false;
		}
		g_array_append_val(out, rule);
		if (**at != ',') {
			return true;
		}
		(*at)++;
	}
}

/* What is wrong with it, or NULL. */
static const char *take_entry(const char *at, int64_t start_ns, GArray *out)
{
	struct script_rule rule = { 0 };

	if (!take_times(&at, start_ns, &rule)) {
		return "time not understood; write +10m, +1h..+2h or @1767225600";
	}
	skip_space(&at);
	if (!take_verb(&at, &rule.verb)) {
		return "no such verb; there are gone, vanish, stop, restart, stuck, partial, "
		       "unreachable, shuffle, blind, down and slow";
	}
	skip_space(&at);
	if (rule.verb == SCRIPT_SLOW) {
		rule.last = UINT32_MAX;
		if (!take_length(&at, &rule.length_ns)) {
			return "slow needs a length; write slow 15s";
		}
		g_array_append_val(out, rule);
	} else if (!take_instances(&at, rule, out)) {
		return "instances not understood; write *, 3 or 0,2-4";
	}
	skip_space(&at);
	return *at ? "something stands behind it; entries are separated by ;" : NULL;
}

int script_parse(const char *text, int64_t start_ns, struct script *ret, struct vmt_error *error)
{
	GArray *out = g_array_new(FALSE, FALSE, sizeof(struct script_rule));
	char **entries = g_strsplit(text ? text : "", ";", -1);
	const char *why = NULL;
	int err = 0;

	for (size_t i = 0; entries[i] && !why; i++) {
		char *entry = g_strstrip(entries[i]);

		why = *entry ? take_entry(entry, start_ns, out) : NULL;
		if (why) {
			err = vmt_error_set(error, -EINVAL, "simulated: script: \"%s\": %s", entry,
					    why);
		}
	}
	g_strfreev(entries);
	if (err < 0) {
		g_array_free(out, TRUE);
		return err;
	}
	ret->count = out->len;
	ret->rule = (struct script_rule *)(void *)g_array_free(out, FALSE);
	return 0;
}

void script_fini(struct script *script)
{
	if (script) {
		g_free(script->rule);
		*script = (struct script){ 0 };
	}
}

unsigned script_state(const struct script *script, uint32_t instance, int64_t now_ns)
{
	unsigned bits = 0;

	for (size_t i = 0; i < script->count; i++) {
		const struct script_rule *r = &script->rule[i];

		if (now_ns >= r->from_ns && now_ns < r->to_ns && instance >= r->first &&
		    instance <= r->last) {
			bits |= SCRIPT_BIT(r->verb);
		}
	}
	return bits;
}

int64_t script_restart(const struct script *script, uint32_t instance, int64_t now_ns)
{
	int64_t last = INT64_MIN;

	for (size_t i = 0; i < script->count; i++) {
		const struct script_rule *r = &script->rule[i];

		if (r->verb == SCRIPT_RESTART && instance >= r->first && instance <= r->last &&
		    r->from_ns <= now_ns) {
			last = MAX(last, r->from_ns);
		}
	}
	return last;
}

int64_t script_next(const struct script *script, unsigned wanted, int64_t now_ns)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < script->count; i++) {
		const struct script_rule *r = &script->rule[i];

		if (wanted & SCRIPT_BIT(r->verb)) {
			next = r->from_ns > now_ns ? MIN(next, r->from_ns) : next;
			next = r->to_ns > now_ns ? MIN(next, r->to_ns) : next;
		}
	}
	return next;
}

int64_t script_slow(const struct script *script, int64_t now_ns)
{
	int64_t slow = 0;

	for (size_t i = 0; i < script->count; i++) {
		const struct script_rule *r = &script->rule[i];

		if (r->verb == SCRIPT_SLOW && now_ns >= r->from_ns && now_ns < r->to_ns) {
			slow = MAX(slow, r->length_ns);
		}
	}
	return slow;
}
