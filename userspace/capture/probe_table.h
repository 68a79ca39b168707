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

}  // namespace llmtap
