/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the way to libvirt's client library, which is opened when the first of its functions is called: it brings fifty
 * other libraries, and the commands that ask a store, and a collector, never call it.  Each function that is called
 * anywhere in the program is defined here, weakly, so that a simulated hypervisor takes its place; where the library
 * cannot be opened all of them fail, and virGetLastError() says why.  Any thread; the first call blocks on the disk.
 */
#include <dlfcn.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#ifndef LIBRARY
#define LIBRARY "libvirt.so.0" /* tests have another */
#endif

/* Result, name, parameters, arguments, and what the result is without the library. */
#define CALLS(CALL)                                                                                \
	CALL(int, virInitialize, (void), (), -1)                                                   \
	CALL(virConnectPtr, virConnectOpen, (const char *uri), (uri), NULL)                        \
	CALL(virConnectPtr, virConnectOpenReadOnly, (const char *uri), (uri), NULL)                \
	CALL(int, virConnectClose, (virConnectPtr c), (c), -1)                                     \
	CALL(int, virConnectIsAlive, (virConnectPtr c), (c), -1)                                   \
	CALL(int, virConnectSetKeepAlive, (virConnectPtr c, int interval, unsigned int count),     \
	     (c, interval, count), -1)                                                             \
	CALL(int, virConnectListAllDomains,                                                        \
	     (virConnectPtr c, virDomainPtr * *domains, unsigned int flags), (c, domains, flags),  \
	     -1)                                                                                   \
	CALL(int, virConnectGetAllDomainStats,                                                     \
	     (virConnectPtr c, unsigned int stats, virDomainStatsRecordPtr **records,              \
	      unsigned int flags),                                                                 \
	     (c, stats, records, flags), -1)                                                       \
	CALL(int, virConnectDomainEventRegisterAny,                                                \
	     (virConnectPtr c, virDomainPtr d, int event,                                          \
	      virConnectDomainEventGenericCallback seen, void *opaque, virFreeCallback free),      \
	     (c, d, event, seen, opaque, free), -1)                                                \
	CALL(int, virConnectDomainEventDeregisterAny, (virConnectPtr c, int id), (c, id), -1)      \
	CALL(virDomainPtr, virDomainLookupByUUID, (virConnectPtr c, const unsigned char *uuid),    \
	     (c, uuid), NULL)                                                                      \
	CALL(int, virDomainFree, (virDomainPtr d), (d), -1)                                        \
	CALL(const char *, virDomainGetName, (virDomainPtr d), (d), NULL)                          \
	CALL(int, virDomainGetUUID, (virDomainPtr d, unsigned char *uuid), (d, uuid), -1)          \
	CALL(unsigned int, virDomainGetID, (virDomainPtr d), (d), (unsigned int)-1)                \
	CALL(char *, virDomainGetXMLDesc, (virDomainPtr d, unsigned int flags), (d, flags), NULL)  \
	CALL(int, virDomainGetInfo, (virDomainPtr d, virDomainInfoPtr info), (d, info), -1)        \
	CALL(int, virDomainGetState, (virDomainPtr d, int *state, int *why, unsigned int flags),   \
	     (d, state, why, flags), -1)                                                           \
	CALL(int, virDomainGetControlInfo,                                                         \
	     (virDomainPtr d, virDomainControlInfoPtr info, unsigned int flags), (d, info, flags), \
	     -1)                                                                                   \
	CALL(int, virDomainGetVcpus,                                                               \
	     (virDomainPtr d, virVcpuInfoPtr info, int n, unsigned char *maps, int length),        \
	     (d, info, n, maps, length), -1)                                                       \
	CALL(int, virDomainGetCPUStats,                                                            \
	     (virDomainPtr d, virTypedParameterPtr params, unsigned int n, int start,              \
	      unsigned int cpus, unsigned int flags),                                              \
	     (d, params, n, start, cpus, flags), -1)                                               \
	CALL(int, virDomainMemoryStats,                                                            \
	     (virDomainPtr d, virDomainMemoryStatPtr stats, unsigned int n, unsigned int flags),   \
	     (d, stats, n, flags), -1)                                                             \
	CALL(int, virDomainBlockStats,                                                             \
	     (virDomainPtr d, const char *disk, virDomainBlockStatsPtr stats, size_t size),        \
	     (d, disk, stats, size), -1)                                                           \
	CALL(int, virDomainBlockStatsFlags,                                                        \
	     (virDomainPtr d, const char *disk, virTypedParameterPtr params, int *n,               \
	      unsigned int flags),                                                                 \
	     (d, disk, params, n, flags), -1)                                                      \
	CALL(int, virDomainGetBlockInfo,                                                           \
	     (virDomainPtr d, const char *disk, virDomainBlockInfoPtr info, unsigned int flags),   \
	     (d, disk, info, flags), -1)                                                           \
	CALL(int, virDomainInterfaceStats,                                                         \
	     (virDomainPtr d, const char *nic, virDomainInterfaceStatsPtr stats, size_t size),     \
	     (d, nic, stats, size), -1)                                                            \
	CALL(int, virDomainListGetStats,                                                           \
	     (virDomainPtr * domains, unsigned int stats, virDomainStatsRecordPtr **records,       \
	      unsigned int flags),                                                                 \
	     (domains, stats, records, flags), -1)

/* The same of those without a result. */
#define ORDERS(ORDER)                                                                              \
	ORDER(virDomainStatsRecordListFree, (virDomainStatsRecordPtr * records), (records))        \
	ORDER(virTypedParamsClear, (virTypedParameterPtr params, int n), (params, n))              \
	ORDER(virResetLastError, (void), ())                                                       \
	ORDER(virSetErrorFunc, (void *data, virErrorFunc handler), (data, handler))                \
	ORDER(virEventRegisterImpl,                                                                \
	      (virEventAddHandleFunc add, virEventUpdateHandleFunc update,                         \
	       virEventRemoveHandleFunc remove, virEventAddTimeoutFunc add_timeout,                \
	       virEventUpdateTimeoutFunc update_timeout,                                           \
	       virEventRemoveTimeoutFunc remove_timeout),                                          \
	      (add, update, remove, add_timeout, update_timeout, remove_timeout))

#define AS_NUMBER(result, name, ...) AT_##name,
#define ORDER_AS_NUMBER(name, ...) AT_##name,
#define AS_NAME(result, name, ...) #name,
#define ORDER_AS_NAME(name, ...) #name,

enum { CALLS(AS_NUMBER) ORDERS(ORDER_AS_NUMBER) AT_LAST_ERROR, AT_MESSAGE, FUNCTIONS };

static const char *const names[FUNCTIONS] = { CALLS(AS_NAME)
						      ORDERS(ORDER_AS_NAME) "virGetLastError",
					      "virGetLastErrorMessage" };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static void *functions[FUNCTIONS]; /* all or none */
static char reason[256];
static virError missing = { .code = VIR_ERR_INTERNAL_ERROR,
			    .domain = VIR_FROM_NONE,
			    .message = reason,
			    .level = VIR_ERR_ERROR };

static void open_library(void)
{
	void *library = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE), *found[FUNCTIONS];

	for (int i = 0; library && i < FUNCTIONS; i++) {
		found[i] = dlsym(library, names[i]);
		if (!found[i]) {
			library = NULL;
		}
	}
	if (!library) {
		snprintf(reason, sizeof(reason), "%s", dlerror());
		return;
	}
	for (int i = 0; i < FUNCTIONS; i++) {
		functions[i] = found[i];
	}
}

static void *function(int i)
{
	pthread_once(&once, open_library);
	return functions[i];
}

#define AS_CALL(result, name, params, args, failed)                                                \
	__attribute__((weak)) result name params                                                   \
	{                                                                                          \
		__typeof__(name) *call = function(AT_##name);                                      \
                                                                                                   \
		return call ? call args : (failed);                                                \
	}
#define AS_ORDER(name, params, args)                                                               \
	__attribute__((weak)) void name params                                                     \
	{                                                                                          \
		__typeof__(name) *call = function(AT_##name);                                      \
                                                                                                   \
		if (call) {                                                                        \
			call args;                                                                 \
		}                                                                                  \
	}

CALLS(AS_CALL)
ORDERS(AS_ORDER)

__attribute__((weak)) virErrorPtr virGetLastError(void)
{
	__typeof__(virGetLastError) *call = function(AT_LAST_ERROR);

	return call ? call() : &missing;
}

__attribute__((weak)) const char *virGetLastErrorMessage(void)
{
	__typeof__(virGetLastErrorMessage) *call = function(AT_MESSAGE);

	return call ? call() : reason;
}
