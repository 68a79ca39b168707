// SPDX-License-Identifier: Apache-2.0
//
// Which pod a process runs in, as far as the node shows it without asking the API server.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace llmtap {

// The pod's uid in a kubelet's cgroup path (cgroupfs or systemd driver); "" outside of pods.
std::string pod_uid(std::string_view cgroup);

// k8s.pod.uid, k8s.pod.name, k8s.namespace.name (OpenTelemetry's names), those that are known; none
// outside of pods. `environ`: the process's variables, NUL between them; the runtime sets HOSTNAME
// to the pod's name. `namespace_file`: contents of the service account's file.
std::vector<std::pair<std::string, std::string>> kubernetes_attributes(
    std::string_view cgroup, std::string_view environ, std::string_view namespace_file);

}  // namespace llmtap
