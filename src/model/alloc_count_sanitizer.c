/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts allocations through the hooks of AddressSanitizer or ThreadSanitizer.
 */
#include "model/alloc_count.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

static _Atomic uint64_t calls;
static atomic_bool hooked;

extern int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *p,
								       size_t size),
						     void (*on_free)(const volatile void *p));

extern size_t __sanitizer_get_current_allocated_bytes(void);

static void on_malloc(const volatile void *p, size_t size)
{
	atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
}

static void on_free(const volatile void *p)
{
}

void alloc_count_begin(void)
{
	if (!atomic_exchange(&hooked, true)) {
		__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
	}
	atomic_store(&calls, 0);
}

uint64_t alloc_count(void)
{
	return atomic_load(&calls);
}

uint64_t alloc_bytes(void)
{
	return __sanitizer_get_current_allocated_bytes();
}
