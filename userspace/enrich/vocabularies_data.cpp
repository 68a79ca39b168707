// SPDX-License-Identifier: Apache-2.0
//
// config/vocabularies as bytes in the program: no file is needed at run time.
#define LLMTAP_EMBED(name, file)                \
  asm(".section .rodata\n"                      \
      ".global llmtap_" name                    \
      "_begin\n"                                \
      ".global llmtap_" name                    \
      "_end\n"                                  \
      "llmtap_" name                            \
      "_begin:\n"                               \
      ".incbin \"" LLMTAP_VOCABULARIES "/" file \
      "\"\n"                                    \
      "llmtap_" name                            \
      "_end:\n"                                 \
      ".byte 0\n"                               \
      ".previous\n")

LLMTAP_EMBED("cl100k", "cl100k_base.zst");
LLMTAP_EMBED("o200k", "o200k_base.zst");
LLMTAP_EMBED("unicode", "unicode.zst");
