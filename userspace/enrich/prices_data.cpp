// SPDX-License-Identifier: Apache-2.0
//
// config/prices.json as bytes in the program: no file is needed at run time.
asm(".section .rodata\n"
    ".global llmtap_prices_begin\n"
    ".global llmtap_prices_end\n"
    "llmtap_prices_begin:\n"
    ".incbin \"" LLMTAP_PRICES_FILE
    "\"\n"
    "llmtap_prices_end:\n"
    ".byte 0\n"
    ".previous\n");
