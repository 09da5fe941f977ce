/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered of row numbers.  On the publisher's thread; blocks on nothing. */
#include "ids.h"

#include <string.h>

#include "base/hash.h"

guint pgids_series_hash(gconstpointer key)
{
	return (guint)hash64(key, sizeof(uint64_t), 0);
}

struct pgids *pgids_new(void)
{
	struct pgids *ids = g_new0(struct pgids, 1);

	ids->meter = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	ids->form = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	ids->version = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
	ids->series = g_hash_table_new_full(pgids_series_hash, g_int64_equal, NULL, g_free);
	ids->generation = INT64_MIN;
	return ids;
}

void pgids_clear(struct pgids *ids)
{
	if (ids) {
		g_hash_table_remove_all(ids->meter);
		g_hash_table_remove_all(ids->form);
		g_hash_table_remove_all(ids->version);
		g_hash_table_remove_all(ids->series);
		ids->generation = INT64_MIN;
	}
}

void pgids_free(struct pgids *ids)
{
	if (ids) {
		g_hash_table_destroy(ids->meter);
		g_hash_table_destroy(ids->form);
		g_hash_table_destroy(ids->version);
		g_hash_table_destroy(ids->series);
		g_free(ids);
	}
}

uint32_t pgids_meter(const struct pgids *ids, const char *name)
{
	return GPOINTER_TO_UINT(g_hash_table_lookup(ids->meter, name));
}

uint32_t pgids_form(const struct pgids *ids, const struct vmt_batch *batch)
{
	char *key = g_strconcat(select_type_name(batch->type), " ", batch->unit ? batch->unit : "",
				NULL);
	uint32_t id = GPOINTER_TO_UINT(g_hash_table_lookup(ids->form, key));

	g_free(key);
	return id;
}

struct pgids_version *pgids_version(const struct pgids *ids, uint64_t digest)
{
	return g_hash_table_lookup(ids->version, &digest);
}

struct pgids_series *pgids_series(const struct pgids *ids, uint32_t resource, uint32_t meter)
{
	uint64_t key = (uint64_t)resource << 32 | meter;

	return g_hash_table_lookup(ids->series, &key);
}

void pgids_series_forget(struct pgids *ids, uint32_t resource, uint32_t meter)
{
	uint64_t key = (uint64_t)resource << 32 | meter;

	g_hash_table_remove(ids->series, &key);
}

/* ------------------------------------------------------------------ arrays */

static void next(struct buf *array)
{
	buf_putc(array, array->len ? ',' : '{');
}

void pgids_put_number(struct buf *array, int64_t number)
{
	next(array);
	buf_printf(array, "%" G_GINT64_FORMAT, number);
}

void pgids_put_text(struct buf *array, const char *text, size_t len)
{
	next(array);
	if (!text) {
		buf_puts(array, "NULL");
		return;
	}
	buf_putc(array, '"');
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"' || text[i] == '\\') {
			buf_putc(array, '\\');
		}
		buf_putc(array, text[i]);
	}
	buf_putc(array, '"');
}

void pgids_end(struct buf *array)
{
	buf_puts(array, array->len ? "}" : "{}");
}
