// SPDX-License-Identifier: Apache-2.0
#include "userspace/enrich/kubernetes.h"

#include <catch2/catch.hpp>

using namespace llmtap;
using namespace std::string_literals;

TEST_CASE("kubernetes: the pod of a cgroup", "[unit]") {
  struct Case {
    const char *name, *cgroup, *uid;
  };
  const Case cases[] = {
      {"systemd",
       "0::/kubepods.slice/kubepods-besteffort.slice/"
       "kubepods-besteffort-pod0f1e2d3c_4b5a_6978_8796_a5b4c3d2e1f0.slice/cri-containerd-ab.scope",
       "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"},
      {"cgroupfs", "0::/kubepods/burstable/pod0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0/ab",
       "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"},
      {"a pod outside of kubelet", "0::/podman/pod0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", ""},
      {"cut", "0::/kubepods/pod0f1e2d3c-4b5a", ""},
      {"a container", "0::/system.slice/docker-abcdef.scope", ""},
      {"nothing", "", ""},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.name) { CHECK(pod_uid(c.cgroup) == c.uid); }
  }
}

TEST_CASE("kubernetes: attributes", "[unit]") {
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  const std::string cgroup = "0::/kubepods/pod0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0/ab";
  const std::string uid = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
  CHECK(kubernetes_attributes(cgroup, "A=b\0HOSTNAME=web-7d9\0"s, "shop\n") ==
        Pairs{{"k8s.pod.uid", uid}, {"k8s.pod.name", "web-7d9"}, {"k8s.namespace.name", "shop"}});
  CHECK(kubernetes_attributes(cgroup, "XHOSTNAME=a\0HOSTNAME=no good"s, "../x") ==
        Pairs{{"k8s.pod.uid", uid}});
  CHECK(kubernetes_attributes("0::/user.slice", "HOSTNAME=laptop"s, "x").empty());
}
