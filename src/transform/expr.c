/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions from text to a tree, by recursive descent, a function per level of precedence.  On the main
 * thread; blocks on nothing.  Depth, length and number of nodes are bounded.
 */
#include <errno.h>
#include <glib.h>
#include <math.h>
#include <string.h>

#include "transform/expr_private.h"

enum { NODES_MAX = 192, LIST_MAX = 8 };

struct parser {
	struct expr *e;
	const char *at;
	unsigned depth;
	struct vmt_error *error;
	bool failed;
	GArray *nodes; /* struct expr_node */
};

static int parse_choice(struct parser *p);

static unsigned column(const struct parser *p)
{
	return (unsigned)(p->at - p->e->text) + 1;
}

static int fail_at(struct parser *p, unsigned where, const char *why)
{
	if (!p->failed) {
		expr_fail(p->e, where, p->error, "%s", why);
	}
	p->failed = true;
	return 0;
}

static int fail(struct parser *p, const char *why)
{
	return fail_at(p, column(p), why);
}

static void space(struct parser *p)
{
	while (g_ascii_isspace(*p->at)) {
		p->at++;
	}
}

static struct expr_node *node_at(struct parser *p, int i)
{
	return &g_array_index(p->nodes, struct expr_node, i);
}

/* Answers the place of the node; 0, which is nothing's, after a failure. */
static int add(struct parser *p, struct expr_node node)
{
	if (p->nodes->len >= NODES_MAX) {
		return fail(p, "the expression is too long");
	}
	node.term = -1;
	g_array_append_val(p->nodes, node);
	return (int)p->nodes->len - 1;
}

/* ---- words */

static bool is_word(char c)
{
	return g_ascii_isalnum(c) || c == '_';
}

/* Takes the word if it comes next. */
static bool take_word(struct parser *p, const char *word)
{
	size_t n = strlen(word);

	space(p);
	if (strncmp(p->at, word, n) != 0 || is_word(p->at[n])) {
		return false;
	}
	p->at += n;
	return true;
}

/* Takes the sign if it comes next, and is not the beginning of a longer one. */
static bool take(struct parser *p, const char *sign)
{
	size_t n = strlen(sign);

	space(p);
	if (strncmp(p->at, sign, n) != 0 ||
	    (n == 1 && (*sign == '*' || *sign == '/') && p->at[1] == *sign) ||
	    (n == 1 && (*sign == '<' || *sign == '>') && p->at[1] == '=')) {
		return false;
	}
	p->at += n;
	return true;
}

static char *take_name(struct parser *p)
{
	const char *from = p->at;

	if (!g_ascii_isalpha(*from) && *from != '_') {
		return NULL;
	}
	while (is_word(*p->at)) {
		p->at++;
	}
	return arena_strndup(p->e->arena, from, (size_t)(p->at - from));
}

/* ---- values */

static int parse_number(struct parser *p)
{
	struct expr_node n = { .op = EXPR_NUMBER, .column = column(p) };
	const char *from = p->at, *end = from;
	bool whole = true;

	while (g_ascii_isdigit(*end)) {
		end++;
	}
	if (*end == '.') {
		whole = false;
		for (end++; g_ascii_isdigit(*end); end++) {
		}
	}
	if ((*end == 'e' || *end == 'E') &&
	    (g_ascii_isdigit(end[1]) ||
	     ((end[1] == '+' || end[1] == '-') && g_ascii_isdigit(end[2])))) {
		whole = false;
		for (end += 2; g_ascii_isdigit(*end); end++) {
		}
	}
	n.value = expr_integer(0);
	for (const char *c = from; whole && c < end; c++) {
		if (__builtin_mul_overflow(n.value.i, 10, &n.value.i) ||
		    __builtin_add_overflow(n.value.i, *c - '0', &n.value.i)) {
			return fail(p, "the integer is too large");
		}
	}
	if (!whole) {
		char *text = g_strndup(from, (size_t)(end - from));

		n.value = expr_double(g_ascii_strtod(text, NULL));
		g_free(text);
		if (!isfinite(n.value.d)) {
			return fail(p, "the number is too large");
		}
	}
	p->at = end;
	if (whole && (*p->at == 'L' || *p->at == 'l')) { /* Python 2's long */
		p->at++;
	}
	if (is_word(*p->at)) {
		return fail(p, "a number ends here, an operator is missing");
	}
	return add(p, n);
}

/* What stands in quotes; NULL: not closed. */
static const char *take_quoted(struct parser *p, size_t *ret_len)
{
	char quote = *p->at;
	const char *end = strchr(p->at + 1, quote), *text;

	if (!end) {
		fail(p, "the text is not closed");
		return NULL;
	}
	if (memchr(p->at, '\\', (size_t)(end - p->at))) {
		fail(p, "texts with a backslash are not understood");
		return NULL;
	}
	*ret_len = (size_t)(end - p->at - 1);
	text = arena_strndup(p->e->arena, p->at + 1, *ret_len);
	p->at = end + 1;
	return text;
}

static int parse_text(struct parser *p)
{
	struct expr_node n = { .op = EXPR_TEXT, .column = column(p) };

	n.value.type = EXPR_STRING;
	n.value.text = take_quoted(p, &n.value.len);
	return n.value.text ? add(p, n) : 0;
}

static const char *const fields[EXPR_FIELDS] = {
	[EXPR_F_NAME] = "name",
	[EXPR_F_TYPE] = "type",
	[EXPR_F_UNIT] = "unit",
	[EXPR_F_VOLUME] = "volume",
	[EXPR_F_TIMESTAMP] = "timestamp",
	[EXPR_F_RESOURCE_ID] = "resource_id",
	[EXPR_F_PROJECT_ID] = "project_id",
	[EXPR_F_USER_ID] = "user_id",
	[EXPR_F_SOURCE] = "source",
	[EXPR_F_METADATA] = "resource_metadata",
};

/* ".key" and "['key']", as many as come. */
static const char *const *parse_path(struct parser *p)
{
	const char **path = arena_alloc0(p->e->arena, sizeof(char *) * (LIST_MAX + 1));
	size_t n = 0, len;

	while (!p->failed && (*p->at == '.' || *p->at == '[')) {
		const char *key;

		if (n == LIST_MAX) {
			fail(p, "the path is too long");
			break;
		}
		if (*p->at++ == '.') {
			key = take_name(p);
		} else {
			space(p);
			key = *p->at == '\'' || *p->at == '"' ? take_quoted(p, &len) : NULL;
			if (key && !take(p, "]")) {
				fail(p, "a ] is missing");
			}
		}
		if (!key) {
			fail(p, "a key is missing");
			break;
		}
		path[n++] = key;
	}
	return path;
}

/* A field of sample `sample`; its name has been read. */
static int parse_field(struct parser *p, const char *name, unsigned where, int sample)
{
	struct expr_node n = { .op = EXPR_FIELD, .column = where, .a = sample };
	size_t f = 0;

	while (f < EXPR_FIELDS && strcmp(fields[f], name) != 0) {
		f++;
	}
	if (f == EXPR_FIELDS) {
		return fail_at(p, where,
			       "a field of a sample is needed: volume, resource_metadata.KEY, "
			       "name, unit, type, resource_id, project_id, user_id, source");
	}
	n.field = (enum expr_field)f;
	n.depends = f < EXPR_F_RESOURCE_ID || (p->e->flags & EXPR_METERS) ? EXPR_ON_SAMPLE
									  : EXPR_ON_RESOURCE;
	n.path = parse_path(p);
	if (n.path[0] && n.field != EXPR_F_METADATA) {
		return fail_at(p, where, "only resource_metadata has keys");
	}
	return p->failed ? 0 : add(p, n);
}

static bool is_meter(char c)
{
	return is_word(c) || c == '.' || c == '-';
}

/* "$(meter.name)" with or without a field. */
static int parse_meter(struct parser *p)
{
	unsigned where = column(p);
	struct expr *e = p->e;
	const char *from = p->at + 2, *end = from, *name;
	size_t i = 0;

	while (is_meter(*end)) {
		end++;
	}
	if (p->at[1] != '(' || end == from || *end != ')') {
		return fail(p, "a meter is written as $(its.name)");
	}
	name = arena_strndup(e->arena, from, (size_t)(end - from));
	p->at = end + 1;
	while (i < e->meter_count && strcmp(e->meter[i], name) != 0) {
		i++;
	}
	if (i == EXPR_METERS_MAX) {
		return fail_at(p, where, "more meters than an expression may have");
	}
	e->meter[i] = name;
	e->meter_count = MAX(e->meter_count, i + 1);
	if (*p->at != '.') {
		return parse_field(p, "volume", where, (int)i);
	}
	p->at++;
	name = take_name(p);
	return name ? parse_field(p, name, where, (int)i) : fail(p, "a field is missing");
}

/* The comma-separated arguments, the bracket has been read. */
static int parse_call(struct parser *p, enum expr_function function, unsigned where)
{
	struct expr_node n = { .op = EXPR_CALL, .column = where, .a = (int)function };
	int *list = arena_alloc(p->e->arena, sizeof(int) * LIST_MAX);

	n.child = list;
	do {
		if (n.children == LIST_MAX) {
			return fail(p, "too many arguments");
		}
		list[n.children] = parse_choice(p);
		n.children++;
	} while (!p->failed && take(p, ","));
	if (!p->failed && !take(p, ")")) {
		return fail(p, "a ) is missing");
	}
	if (!p->failed && n.children != 1 && function != EXPR_MIN && function != EXPR_MAX) {
		return fail_at(p, where, "one argument is needed here");
	}
	for (unsigned i = 0; i < n.children && !p->failed; i++) {
		n.depends |= node_at(p, list[i])->depends;
	}
	return p->failed ? 0 : add(p, n);
}

static int parse_name(struct parser *p)
{
	static const char *const functions[] = {
		[EXPR_ABS] = "abs", [EXPR_FLOAT] = "float", [EXPR_INT] = "int",
		[EXPR_MAX] = "max", [EXPR_MIN] = "min",     [EXPR_ROUND] = "round"
	};
	unsigned where = column(p);
	const char *name = take_name(p);
	struct expr_node n = { .column = where };

	if (strcmp(name, "None") == 0) {
		n.op = EXPR_NONE;
		return add(p, n);
	}
	if (strcmp(name, "True") == 0 || strcmp(name, "False") == 0) {
		n.op = EXPR_NUMBER;
		n.value = expr_integer(name[0] == 'T');
		return add(p, n);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(functions); i++) {
		if (strcmp(name, functions[i]) == 0 && take(p, "(")) {
			return parse_call(p, (enum expr_function)i, where);
		}
	}
	if (p->e->flags & EXPR_METERS) {
		return fail_at(p, where, "a meter is written as $(its.name)");
	}
	return parse_field(p, name, where, 0);
}

static int parse_atom(struct parser *p)
{
	int inner;

	space(p);
	if (take(p, "(")) {
		inner = parse_choice(p);
		if (!p->failed && !take(p, ")")) {
			return fail(p, "a ) is missing");
		}
		return inner;
	}
	if (g_ascii_isdigit(*p->at) || (*p->at == '.' && g_ascii_isdigit(p->at[1]))) {
		return parse_number(p);
	}
	if (*p->at == '\'' || *p->at == '"') {
		return parse_text(p);
	}
	if (*p->at == '$' && (p->e->flags & EXPR_METERS)) {
		return parse_meter(p);
	}
	if (g_ascii_isalpha(*p->at) || *p->at == '_') {
		return parse_name(p);
	}
	return fail(p, *p->at ? "a value is needed here" : "a value is missing");
}

/* ---- operators, the tightest first */

static int join(struct parser *p, enum expr_op op, unsigned where, int a, int b)
{
	struct expr_node n = { .op = op, .column = where, .a = a, .b = b };

	if (p->failed) {
		return 0;
	}
	n.depends = node_at(p, a)->depends | node_at(p, b)->depends;
	return add(p, n);
}

static int parse_sign(struct parser *p);

static int parse_power(struct parser *p)
{
	int a = parse_atom(p);
	unsigned where;

	space(p);
	where = column(p);
	if (p->failed || !take(p, "**")) {
		return a;
	}
	return join(p, EXPR_POWER, where, a, parse_sign(p));
}

static int parse_sign(struct parser *p)
{
	unsigned where;
	int a;
	enum expr_op op;

	space(p);
	where = column(p);
	if (*p->at != '-' && *p->at != '+') {
		return parse_power(p);
	}
	op = *p->at++ == '-' ? EXPR_NEGATE : EXPR_PLUS;
	if (++p->depth > EXPR_DEPTH_MAX) {
		return fail(p, "nested too deep");
	}
	a = parse_sign(p);
	p->depth--;
	return join(p, op, where, a, a);
}

struct operator
{
	const char *sign;
	enum expr_op op;
};

static int parse_left(struct parser *p, const struct operator* operators,
		      int (*inner)(struct parser *))
{
	int a = inner(p);

	while (!p->failed) {
		const struct operator* o = operators;
		unsigned where;

		space(p);
		where = column(p);
		while (o->sign && !take(p, o->sign)) {
			o++;
		}
		if (!o->sign) {
			break;
		}
		a = join(p, o->op, where, a, inner(p));
	}
	return a;
}

static int parse_product(struct parser *p)
{
	static const struct operator operators[] = { { "*", EXPR_MULTIPLY },
						     { "//", EXPR_FLOOR_DIVIDE },
						     { "/", EXPR_DIVIDE },
						     { "%", EXPR_MODULO },
						     { NULL, EXPR_NONE } };

	return parse_left(p, operators, parse_sign);
}

static int parse_sum(struct parser *p)
{
	static const struct operator operators[] = { { "+", EXPR_ADD },
						     { "-", EXPR_SUBTRACT },
						     { NULL, EXPR_NONE } };

	return parse_left(p, operators, parse_product);
}

static int parse_comparison(struct parser *p)
{
	static const char *const signs[] = { [EXPR_LT] = "<",  [EXPR_LE] = "<=", [EXPR_GT] = ">",
					     [EXPR_GE] = ">=", [EXPR_EQ] = "==", [EXPR_NE] = "!=" };
	int list[LIST_MAX] = { parse_sum(p) };
	uint8_t compare[LIST_MAX];
	struct expr_node n = { .op = EXPR_COMPARE, .column = column(p), .children = 1 };

	while (!p->failed) {
		size_t s = 0;

		while (s < G_N_ELEMENTS(signs) && !take(p, signs[s])) {
			s++;
		}
		if (s == G_N_ELEMENTS(signs)) {
			break;
		}
		if (n.children == LIST_MAX) {
			return fail(p, "too many comparisons in one chain");
		}
		compare[n.children - 1] = (uint8_t)s;
		list[n.children++] = parse_sum(p);
	}
	if (p->failed || n.children == 1) {
		return list[0];
	}
	for (unsigned i = 0; i < n.children; i++) {
		n.depends |= node_at(p, list[i])->depends;
	}
	n.child = arena_dup(p->e->arena, list, sizeof(int) * n.children);
	n.compare = arena_dup(p->e->arena, compare, n.children);
	return add(p, n);
}

static int parse_not(struct parser *p)
{
	unsigned where;
	int a;

	space(p);
	where = column(p);
	if (!take_word(p, "not")) {
		return parse_comparison(p);
	}
	if (++p->depth > EXPR_DEPTH_MAX) {
		return fail(p, "nested too deep");
	}
	a = parse_not(p);
	p->depth--;
	return join(p, EXPR_NOT, where, a, a);
}

static int parse_and(struct parser *p)
{
	int a = parse_not(p);

	while (!p->failed) {
		unsigned where;

		space(p);
		where = column(p);
		if (!take_word(p, "and")) {
			break;
		}
		a = join(p, EXPR_AND, where, a, parse_not(p));
	}
	return a;
}

static int parse_or(struct parser *p)
{
	int a = parse_and(p);

	while (!p->failed) {
		unsigned where;

		space(p);
		where = column(p);
		if (!take_word(p, "or")) {
			break;
		}
		a = join(p, EXPR_OR, where, a, parse_and(p));
	}
	return a;
}

static int parse_choice(struct parser *p)
{
	struct expr_node n = { .op = EXPR_CHOICE };

	if (++p->depth > EXPR_DEPTH_MAX) {
		return fail(p, "nested too deep");
	}
	n.b = parse_or(p);
	space(p);
	n.column = column(p);
	if (!p->failed && take_word(p, "if")) {
		n.a = parse_or(p);
		if (!p->failed && !take_word(p, "else")) {
			fail(p, "an else is missing");
		}
		n.c = p->failed ? 0 : parse_choice(p);
		if (!p->failed) {
			n.depends = node_at(p, n.a)->depends | node_at(p, n.b)->depends |
				    node_at(p, n.c)->depends;
			n.b = add(p, n);
		}
	}
	p->depth--;
	return n.b;
}

/* ---- the whole */

/* What depends on nothing becomes a number; where that fails it may still not be reached. */
static void fold(struct expr *e)
{
	struct vmt_error ignored;

	for (int i = 1; i < e->count; i++) {
		struct expr_context c = { .expr = e, .error = &ignored };
		struct expr_value v;

		if (e->node[i].depends || e->node[i].op <= EXPR_FIELD ||
		    expr_eval_node(&c, i, &v) < 0 ||
		    (v.type != EXPR_INTEGER && v.type != EXPR_DOUBLE)) {
			continue;
		}
		e->node[i].op = EXPR_NUMBER;
		e->node[i].value = v;
	}
}

/* Terms are the largest parts that only depend on the resource, where columns can reach them. */
static void find_terms(struct expr *e, int i)
{
	struct expr_node *n = &e->node[i];

	if (n->depends == EXPR_ON_RESOURCE) {
		if (e->term_count == EXPR_TERMS_MAX) {
			e->by_row = true;
		} else {
			n->term = (int)e->term_count;
			e->terms[e->term_count++] = i;
		}
		return;
	}
	if (n->op >= EXPR_ADD && n->op <= EXPR_DIVIDE) {
		find_terms(e, n->a);
		find_terms(e, n->b);
	} else if (n->op == EXPR_NEGATE || n->op == EXPR_PLUS) {
		find_terms(e, n->a);
	} else if (n->op != EXPR_NUMBER && (n->op != EXPR_FIELD || n->field != EXPR_F_VOLUME)) {
		e->by_row = true;
	}
}

/* A number that fails whatever the sample is: better told now. */
static int check(struct expr *e, struct vmt_error *error)
{
	struct expr_context c = { .expr = e, .error = error };
	struct expr_value v;

	if (e->node[e->root].depends) {
		return 0;
	}
	if (expr_eval_node(&c, e->root, &v) < 0) {
		return -EINVAL;
	}
	return v.type == EXPR_INTEGER || v.type == EXPR_DOUBLE
		       ? 0
		       : expr_fail(e, 1, error, "this is no number");
}

static void parse_all(struct parser *p)
{
	struct expr_node nothing = { .op = EXPR_NONE };
	struct expr *e = p->e;

	add(p, nothing);
	e->root = parse_choice(p);
	space(p);
	if (!p->failed && *p->at) {
		fail(p, strchr("=", *p->at) ? "= compares nothing; write =="
					    : "the end, or an operator, is needed here");
	}
	e->count = (int)p->nodes->len;
	e->node = arena_dup(e->arena, p->nodes->data, sizeof(struct expr_node) * p->nodes->len);
}

struct expr *expr_new(const char *text, unsigned flags, struct vmt_error *error)
{
	struct expr *e = g_new0(struct expr, 1);
	struct parser p = { .e = e, .error = error };

	e->arena = arena_new(1024);
	e->text = arena_strndup(e->arena, text, strnlen(text, EXPR_TEXT_MAX));
	e->flags = flags;
	buf_init(&e->scratch);
	p.at = e->text;
	p.nodes = g_array_new(FALSE, FALSE, sizeof(struct expr_node));
	if (strlen(text) > EXPR_TEXT_MAX) {
		fail_at(&p, EXPR_TEXT_MAX, "the expression is too long");
	} else {
		parse_all(&p);
	}
	g_array_unref(p.nodes);
	if (!p.failed) {
		fold(e);
		p.failed = check(e, error) < 0;
	}
	if (p.failed) {
		expr_free(e);
		return NULL;
	}
	find_terms(e, e->root);
	return e;
}

void expr_free(struct expr *expr)
{
	if (expr) {
		buf_fini(&expr->scratch);
		arena_free(expr->arena);
		g_free(expr);
	}
}

const char *expr_text(const struct expr *expr)
{
	return expr->text;
}

size_t expr_meters(const struct expr *expr)
{
	return expr->meter_count;
}

const char *expr_meter(const struct expr *expr, size_t i)
{
	return expr->meter[i];
}
