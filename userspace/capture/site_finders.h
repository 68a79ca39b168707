// SPDX-License-Identifier: Apache-2.0
//
// One finder per TLS library whose functions have no symbols of their own. Each returns sites that
// it is sure of; or no sites and a reason, when the library is there but a site is not found or not
// unique; or neither, when the library is not there.
#pragma once

#include "userspace/capture/elf.h"
#include "userspace/capture/probe_site.h"

namespace llmtap {

// Go crypto/tls, by the function table that every Go program carries. Milliseconds.
ProbePlan find_go(const ElfFile& elf);

}  // namespace llmtap
