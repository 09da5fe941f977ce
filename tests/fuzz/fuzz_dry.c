/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: a file of dry tests, its samples, its expectations, and the pipeline that they go through. */
#include <glib.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "builtin.h"
#include "cmd/dry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern const struct vmt_plugin vmt_plugin_transformer_accumulator,
	vmt_plugin_transformer_aggregator, vmt_plugin_transformer_arithmetic,
	vmt_plugin_transformer_delta, vmt_plugin_transformer_rate_of_change,
	vmt_plugin_transformer_unit_conversion;

const struct vmt_plugin *const builtin_plugins[] = {
	&vmt_plugin_transformer_accumulator,
	&vmt_plugin_transformer_aggregator,
	&vmt_plugin_transformer_arithmetic,
	&vmt_plugin_transformer_delta,
	&vmt_plugin_transformer_rate_of_change,
	&vmt_plugin_transformer_unit_conversion,
	NULL,
};

const char *builtin_plugin_folder(void)
{
	return "";
}

static const char pipeline_text[] =
	"sources:\n  - {name: s, meters: ['*'], sinks: [t]}\n"
	"sinks:\n  - {name: t, publishers: ['a://'], transformers: [{name: rate_of_change, parameters: {target: "
	"{name: util, unit: '%', type: gauge, scale: '100.0 / (resource_metadata.cpu_number or 1)'}}}]}\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct registry *registry;
	static struct settings settings;
	static struct polling *pipeline;
	struct problems *problems = problems_new();
	char *said = NULL;
	size_t said_size = 0;
	FILE *out = open_memstream(&said, &said_size);

	if (!registry) {
		struct ini *ini = ini_new();

		registry = registry_new(builtin_plugins);
		settings_read(&settings, ini, problems);
		ini_free(ini);
		if (polling_read_text("pipeline", pipeline_text, sizeof(pipeline_text) - 1,
				      PIPELINE_FILE, &pipeline, problems) < 0) {
			abort();
		}
	}
	struct dry dry = { .registry = registry, .settings = &settings, .pipeline = pipeline };

	dry_run_text(&dry, "fuzz.yaml", (const char *)data, size, out, problems);
	fclose(out);
	free(said);
	problems_free(problems);
	return 0;
}
