// SPDX-License-Identifier: Apache-2.0
#include "userspace/capture/plain_ports.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace llmtap {
namespace {

constexpr std::array<std::uint16_t, 14> kPorts = {
    11434,  // Ollama
    8000,   // vLLM, TensorRT-LLM, NIM, llama-cpp-python
    8080,   // llama.cpp, LocalAI, TGI, MLX, llamafile
    4000,   // LiteLLM
    1234,   // LM Studio
    30000,  // SGLang
    1337,   // Jan
    4891,   // GPT4All
    5000,   // text-generation-webui, TabbyAPI
    5001,   // KoboldCpp
    9997,   // Xinference
    23333,  // LMDeploy
    2242,   // Aphrodite
    7997,   // Infinity
};

// Whole words of a path or an argument: "/usr/bin/ollama serve", "python -m vllm.entrypoints...".
constexpr std::string_view kServers[] = {"ollama",
                                         "vllm",
                                         "llama-server",
                                         "llama_cpp",
                                         "llamafile",
                                         "litellm",
                                         "sglang",
                                         "lmdeploy",
                                         "localai",
                                         "local-ai",
                                         "koboldcpp",
                                         "xinference",
                                         "mlx_lm",
                                         "tabbyapi",
                                         "aphrodite",
                                         "lm-studio",
                                         "text-generation-launcher",
                                         "text-generation-router",
                                         "tritonserver",
                                         "trtllm-serve",
                                         "infinity_emb"};

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-'; }

bool has_word(std::string_view text, std::string_view word) {
  for (auto at = text.find(word); at != text.npos; at = text.find(word, at + 1)) {
    const auto end = at + word.size();
    if ((at == 0 || !is_word(text[at - 1])) && (end == text.size() || !is_word(text[end])))
      return true;
  }
  return false;
}

}  // namespace

std::vector<std::uint16_t> default_plain_ports() { return {kPorts.begin(), kPorts.end()}; }

// The first arguments only: a later one may be any text, a prompt for instance.
bool is_model_server(std::string_view command_line) {
  constexpr int kArguments = 4;
  std::size_t end = 0;
  for (int i = 0; i < kArguments && end < command_line.size(); ++i) {
    end = std::min(command_line.find_first_of(std::string_view("\0 ", 2), end + 1),
                   command_line.size());
  }
  const auto head = command_line.substr(0, end);
  return std::any_of(std::begin(kServers), std::end(kServers),
                     [head](std::string_view name) { return has_word(head, name); });
}

}  // namespace llmtap
