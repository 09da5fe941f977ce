/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: YAML as a tree with what its scalars mean; polling.yaml and pipeline.yaml, in both roles. */
#include <stddef.h>
#include <stdint.h>

#include "conf/polling.h"
#include "conf/yaml_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t walk(const struct yaml_node *n)
{
	size_t sum = 1;
	int64_t whole;
	double number;
	bool word;

	yaml_int(n, &whole);
	yaml_number(n, &number);
	yaml_bool(n, &word);
	sum += yaml_is_text(n);
	for (size_t i = 0; i < n->count; i++) {
		sum += walk(n->value[i]) + (n->key ? walk(n->key[i]) : 0);
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct yaml *yaml = NULL;

	if (yaml_tree_parse("fuzz", (const char *)data, size, &yaml, NULL) == 0) {
		walk(yaml_tree_root(yaml));
		yaml_tree_free(yaml);
	}
	for (int role = POLLING_FILE; role <= PIPELINE_OF_PAIR; role++) {
		struct problems *problems = problems_new();
		struct polling *polling = NULL;

		polling_read_text("fuzz", (const char *)data, size, (enum polling_role)role,
				  &polling, problems);
		polling_free(polling); /* also what has errors */
		problems_free(problems);
	}
	return 0;
}
