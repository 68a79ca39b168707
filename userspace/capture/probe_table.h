// SPDX-License-Identifier: Apache-2.0
//
// Which TLS libraries a file carries, and where to probe them. Offsets are always found in the file
// at hand, never remembered from a release.
#pragma once

#include "userspace/capture/elf.h"
#include "userspace/capture/probe_site.h"

namespace llmtap {

// By symbols and by Go's own function table: milliseconds even for files of 100 MB.
// No sites and no reason: nothing of TLS is named in this file.
ProbePlan plan_by_symbols(const ElfFile& elf);

// By meaning, in files that were stripped: up to a second for 400 MB. `has_symbols`: the other
// stage found the OpenSSL family already.
ProbePlan plan_by_search(const ElfFile& elf, bool has_symbols);

// Sites and reasons of both.
void append(ProbePlan& plan, ProbePlan more);

// Both stages.
ProbePlan plan_probes(const ElfFile& elf);

}  // namespace llmtap
