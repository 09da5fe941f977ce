/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions that this project does without.  The build includes this file before every source file
 * (-include, see meson.build), so that a call of one of them does not compile:
 *
 *   banned             because                                     instead
 *   strcpy, strcat     do not know the room there is               base/buf.h, base/arena.h
 *   sprintf, vsprintf  likewise                                    snprintf, buf_printf
 *   gets               likewise                                    getline
 *   atoi, atol, atof   take "12x" for 12 and cannot fail           strtoll, strtod with an end pointer
 *   strtok             hidden state, wrong in a threaded program   strtok_r, strcspn
 *   system, popen      a shell between us and what we mean         posix_spawn
 *   alloca             grows a 256 KiB stack by data (-Walloca)    base/arena.h
 *
 * The headers that declare them are read first, so that only calls are hit.  tests/static/banned.sh
 * proves each row.
 */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef strcpy
#undef strcat
#undef sprintf
#undef vsprintf
#undef gets
#undef atoi
#undef atol
#undef atoll
#undef atof
#undef strtok
#undef system
#undef popen

#define strcpy(...) banned_function_strcpy_see_base_banned_h
#define strcat(...) banned_function_strcat_see_base_banned_h
#define sprintf(...) banned_function_sprintf_see_base_banned_h
#define vsprintf(...) banned_function_vsprintf_see_base_banned_h
#define gets(...) banned_function_gets_see_base_banned_h
#define atoi(...) banned_function_atoi_see_base_banned_h
#define atol(...) banned_function_atol_see_base_banned_h
#define atoll(...) banned_function_atoll_see_base_banned_h
#define atof(...) banned_function_atof_see_base_banned_h
#define strtok(...) banned_function_strtok_see_base_banned_h
#define system(...) banned_function_system_see_base_banned_h
#define popen(...) banned_function_popen_see_base_banned_h

#endif
